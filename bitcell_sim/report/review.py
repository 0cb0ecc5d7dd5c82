"""A post-incident review in Markdown from a drill or a run: the timeline is filled in, people write the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bitcell_sim.runs.run import RunData

Event = tuple[float, str]


def drill_review(content: Mapping[str, Any]) -> str:
    """Review of a drill.

    Parameters
    ----------
    content : mapping
        What ``studies.drill.drill`` returns.
    """
    events: list[Event] = [(content["onset_s"], f"**the fault begins** ({content['scenario']})")]
    for alert in content["alerts"]:
        where = alert["labels"].get("node") or alert["labels"].get("region") or "cluster"
        name = f"`{alert['labels']['alertname']}` ({alert['labels'].get('severity', '')}, {where})"
        events += [(alert["first_s"], f"{name} fires"), (alert["last_s"], f"{name} ends")]
    for response in content["responses"]:
        name = f"`{response['alert']}`"
        events.append((response["notified_s"], f"people are told of {name}"))
        if response["acknowledged_s"] is not None:
            said = f"{response['person']} ({response['state']}) acknowledges {name}"
            events.append((response["acknowledged_s"], said))
    for step in content["steps"]:
        answer = "done" if step["reading"] is None else f"reads {step['reading']:g}"
        note = "" if step["as_expected"] else ", not as the runbook expects"
        events.append((step["at_s"], f"{step['person']}: {step['title']} {answer}{note}"))
    times = content["times_s"]
    if times["recovered"] is not None:
        events.append((content["onset_s"] + times["recovered"], "**the mesh is well again**"))
    quiet = [event for event in events if event[0] >= content["onset_s"] - 1.0]
    figures = [
        (f"time to {what}", "never" if times[key] is None else duration(times[key]))
        for what, key in (
            ("detect", "detected"),
            ("acknowledge", "acknowledged"),
            ("mitigate", "mitigated"),
            ("resolve", "resolved"),
            ("recover", "recovered"),
        )
    ]
    alone = content["without_people"]["recovered"]
    figures.append(("recovery without anybody", "none within the run" if alone is None else duration(alone)))
    which = f"Drill `{content['drill']}`, seed {content['seed']}, begun {content['at']} UTC"
    summary = f"{which}: {content['verdict']}, {content['why']}."
    return _page(f"Post-incident review: {content['drill']}", summary, figures, quiet, content["onset_s"])


def run_review(run: RunData) -> str:
    """Review of a stored run: its faults, what nodes and balancers went through, and what became of transactions."""
    tables, events = run.tables, list[Event]()
    for fault in tables["faults"].to_dict("records"):
        name = f"{fault['kind']} of {fault['target']}" + (f" ({fault['detail']})" if fault["detail"] else "")
        events.append((fault["start_ms"] / 1000.0, f"**{name} begins**"))
        if fault["end_ms"] < run.simulated_s * 1000.0:
            events.append((fault["end_ms"] / 1000.0, f"**{name} ends**"))
    for stage in tables["recoveries"].to_dict("records"):
        events.append((stage["at_ms"] / 1000.0, f"{stage['node']}: {stage['stage']} (height {stage['height']})"))
    for change in tables["balancers"].to_dict("records"):
        what = "takes back" if change["up"] else "takes out"
        events.append((change["at_ms"] / 1000.0, f"load balancer of {change['balancer']} {what} {change['node']}"))
    onset_s = min((at for at, _ in events), default=0.0)
    states = tables["transactions"]["state"].value_counts()
    finals = tables["finals"]["at_ms"].sort_values() / 1000.0
    gap = float(finals.diff().max()) if len(finals) > 1 else 0.0
    figures = [
        ("simulated", duration(run.simulated_s)),
        *((f"transactions {state}", f"{count:,}") for state, count in states.items() if count),
        ("longest time without a final block", duration(gap) if gap else "-"),
        *(("unsafe", f"{violation.property}: {violation.detail}") for violation in run.violations),
    ]
    summary = f"Run of `{run.scenario.name}`, seed {run.seed}, digest `{run.trace_digest[:16]}`: {run.scenario.title}."
    return _page(f"Post-incident review: {run.scenario.name}", summary, figures, events, onset_s)


def _page(title: str, summary: str, figures: Sequence[tuple[str, str]], events: Sequence[Event], onset_s: float) -> str:
    lines = [f"# {title}", "", summary, "", "## Figures", "", "| figure | value |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in figures]
    lines += ["", "## Timeline", "", "| from the onset | what |", "|---|---|"]
    ordered = sorted(events, key=lambda event: event[0])
    lines += [f"| {_signed(at_s - onset_s)} | {what.replace('|', '/')} |" for at_s, what in ordered]
    lines += [
        "",
        "## Why it happened",
        "",
        "_Write here: the cause, and what made it possible. Causes, not people._",
        "",
    ]
    lines += ["## What went well, what did not, where we were lucky", "", "_Write here._", ""]
    lines += ["## What we change", "", "| what | who | until |", "|---|---|---|", "| | | |", ""]
    return "\n".join(lines)


def _signed(seconds: float) -> str:
    return ("-" if seconds < 0 else "+") + duration(abs(seconds))


def duration(seconds: float) -> str:
    """Time for people.

    >>> duration(59.6), duration(3725)
    ('1:00', '1:02:05')
    """
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
