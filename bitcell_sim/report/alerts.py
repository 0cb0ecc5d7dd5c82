"""Which fault raised which alert: a frame, and a figure of faults against rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bitcell_sim.report.row_text import number

if TYPE_CHECKING:
    import pandas as pd

    from bitcell_sim.report.charts import LabFigure

FIRED, ALSO, FALSE, MISSED, STANDING = "expected", "comes with it", "false alarm", "missed", "standing before"
STATES = (FIRED, ALSO, FALSE, MISSED, STANDING)


def state_of(fault: Mapping[str, Any], alert: str) -> str | None:
    """What an alert did in a fault: one of ``STATES``, or None where it rightly stayed quiet."""
    if alert in fault["alerts"]:
        if alert in fault["expects"]:
            return FIRED
        return FALSE if alert in fault["false"] else ALSO
    if alert in fault["missed"]:
        return MISSED
    return STANDING if alert in fault["standing"] else None


def delay_text(seconds: float | None) -> str:
    """Seconds as people read delays, such as ``89 s`` or ``12 min``; a dash without."""
    if seconds is None:
        return "–"
    return f"{seconds:.0f} s" if seconds < 120 else f"{number(seconds / 60, 2)} min"


class AlertCard:
    """What the command ``alerts`` found.

    Parameters
    ----------
    content : mapping
        What the command ``alerts`` gives as JSON.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = dict(content)

    def __repr__(self) -> str:
        faults, rules = self.content["faults"], self.content["rules"]
        caught = sum(1 for fault in faults if fault["detected_runs"])
        never = sum(1 for rule in rules if rule["never"])
        return f"<{len(rules)} alerts, {never} of which never can fire; {caught} of {len(faults)} faults noticed>"

    @property
    def frame(self) -> pd.DataFrame:
        """One row a fault and alert that is not quiet: state, and median delay in seconds."""
        import pandas as pd

        rows = [
            {
                "fault": fault["name"],
                "alert": rule["alert"],
                "severity": rule["severity"],
                "state": state,
                "delay_s": (fault["alerts"].get(rule["alert"]) or {}).get("p50"),
                "runs": (fault["alerts"].get(rule["alert"]) or {}).get("n", 0),
                "of": fault["n"],
            }
            for fault in self.content["faults"]
            for rule in self.content["rules"]
            if (state := state_of(fault, rule["alert"]))
        ]
        columns = ["fault", "alert", "severity", "state", "delay_s", "runs", "of"]
        return pd.DataFrame(rows, columns=columns)

    def plot(self) -> LabFigure:
        """Faults against rules: what fired and how late, what should have, and what never can."""
        from matplotlib import rc_context

        from bitcell_sim.report.charts import STYLE, LabFigure

        faults, rules = self.content["faults"], self.content["rules"]
        with rc_context(STYLE):
            figure = LabFigure(figsize=(3.6 + 0.42 * len(rules), 2.4 + 0.3 * max(len(faults), 4)), layout="constrained")
            _matrix(figure.subplots(), faults, rules)
        return figure


def _matrix(axes: Any, faults: list[dict[str, Any]], rules: list[dict[str, Any]]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

    from bitcell_sim.report.charts import BLUE, GREEN, GRID, INK, ORANGE, ROSE

    colours = {FIRED: GREEN, ALSO: BLUE, FALSE: ROSE, MISSED: ORANGE, STANDING: GRID}
    for row, fault in enumerate(faults):
        for column, rule in enumerate(rules):
            state = state_of(fault, rule["alert"])
            if state is not None:
                _cell(axes, row, column, state, colours[state], fault["alerts"].get(rule["alert"]))
        noticed = f"{fault['detected_runs']}/{fault['n']}"
        wholly = fault["detected_runs"] == fault["n"]
        delay = delay_text(fault["delay_s"]["p50"]) if fault["detected_runs"] else "not noticed"
        axes.text(len(rules) - 0.3, row, f"{noticed}  {delay}", va="center", color=INK if wholly else ORANGE)
    for column, rule in enumerate(rules):
        if rule["never"]:
            place = (column - 0.5, -0.5)
            axes.add_patch(
                Rectangle(
                    place, 1, len(faults), facecolor="none", hatch="///", edgecolor=ORANGE, alpha=0.45, linewidth=0
                )
            )
    axes.set_xlim(-0.5, len(rules) - 0.5)
    axes.set_ylim(len(faults) - 0.5, -0.5)
    axes.set_xticks(range(len(rules)), [f"{rule['alert']}  {rule['severity']}" for rule in rules])
    axes.tick_params(axis="x", rotation=90, length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.set_yticks(range(len(faults)), [fault["name"] for fault in faults])
    axes.tick_params(axis="y", length=0)
    axes.set_xticks([at - 0.5 for at in range(1, len(rules))], minor=True)
    axes.set_yticks([at - 0.5 for at in range(1, len(faults))], minor=True)
    axes.grid(which="minor", color=GRID, alpha=0.25, linewidth=0.6)
    axes.tick_params(which="minor", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    handles: list[Any] = [
        Line2D([], [], marker="s", linestyle="none", markersize=9, color=colours[state], label=_legend(state))
        for state in STATES
    ]
    handles.append(Rectangle((0, 0), 1, 1, facecolor="none", hatch="///", edgecolor=ORANGE, label="never can fire"))
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.0, -0.01), ncols=3)
    axes.text(len(rules) - 0.3, -0.9, "noticed in runs,\nmedian delay", va="bottom", color=INK, fontsize="small")


def _legend(state: str) -> str:
    return f"{state} (minutes from the onset)" if state in (FIRED, ALSO, FALSE) else state


def _cell(axes: Any, row: int, column: int, state: str, colour: str, delays: Mapping[str, Any] | None) -> None:
    """A full square with minutes where it fired, an empty one where it should have, a dot where it stood before."""
    if state == STANDING:
        axes.plot([column], [row], ".", color=colour, markersize=5)
        return
    from matplotlib.patches import Rectangle

    full = state != MISSED
    axes.add_patch(
        Rectangle(
            (column - 0.42, row - 0.42),
            0.84,
            0.84,
            facecolor=colour if full else "none",
            edgecolor=colour,
            linewidth=1.6,
        )
    )
    if delays and delays["p50"] is not None:
        minutes = delays["p50"] / 60.0
        text = f"{minutes:.1f}" if minutes < 9.95 else f"{minutes:.0f}"
        axes.text(column, row, text, ha="center", va="center", color="white", fontsize=7, fontweight="bold")
