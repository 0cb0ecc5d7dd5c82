"""Rules that never can fire, and rules that cannot say what they are for: found by reading, without a run."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bitcell_sim.config.native import Rule, ScrapeTarget

Kind = Literal["never", "doubt"]
NEVER: Kind = "never"
DOUBT: Kind = "doubt"
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_BRACES = re.compile(r"\{[^{}]*\}")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)")
_NAME = re.compile(r"(?<![\w:.])([A-Za-z_:][\w:]*)(?!\s*\()(?![\w:])")
_AGGREGATIONS = {"sum", "avg", "min", "max", "count", "by", "without"}
_MATCHING = {"on", "ignoring", "group_left", "group_right", "and", "or", "unless", "bool"}
_WORDS = _AGGREGATIONS | _MATCHING | {"offset", "inf", "nan"}
_SELECTOR = re.compile(r"([A-Za-z_:][\w:]*)\s*\{([^{}]*)\}")
_MATCHER = re.compile(r'([A-Za-z_]\w*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
_COUNT_OF_FILTER = re.compile(
    r"count\s*(?:by\s*\([^()]*\)\s*)?\([^()]*(?:\{[^{}]*\})?\s*(==|!=|>=|<=|>|<)[^()]*\)"
    r"\s*(?:by\s*\([^()]*\)\s*)?==\s*0(?![.\d])"
)
_COMPARED = re.compile(r"^([A-Za-z_:][\w:]*)\s*(?:\{[^{}]*\})?\s*(>=|<=|==|>|<)\s*(-?[\d.]+(?:e[+-]?\d+)?)$")
_LEAST = {"gauge": 0.0, "counter": 0.0}
_BOUNDS: dict[str, tuple[float, float]] = {"up": (0.0, 1.0), "bitcell_sync_progress": (0.0, 100.0)}


@dataclass(frozen=True)
class RuleFault:
    """What is wrong with a rule.

    Parameters
    ----------
    alert : str
        The rule.
    kind : {"never", "doubt"}
        It can never fire, or it fires for something else than it says or not where it should.
    why : str
        One sentence.
    """

    alert: str
    kind: Kind
    why: str


def metric_names(expr: str) -> set[str]:
    """Names of all series that an expression reads.

    >>> sorted(metric_names('sum by (region) (up{job="a"}) == 0 and rate(x_total[5m]) > 1'))
    ['up', 'x_total']
    """
    bare = _GROUPING.sub(" ", _BRACES.sub(" ", _STRINGS.sub('""', expr)))
    bare = re.sub(r"\[[^\]]*\]|\boffset\s+\w+|(?<![\w:.])\d[\w.]*", " ", bare)
    return {name for name in _NAME.findall(bare) if name.lower() not in _WORDS}


def selectors(expr: str) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Every selector with matchers: name, and (label, operator, value) of each.

    >>> selectors('up{job="alertmanager"} == 0')
    [('up', [('job', '=', 'alertmanager')])]
    """
    return [(name, _MATCHER.findall(inside)) for name, inside in _SELECTOR.findall(expr)]


def find_faults(
    rules: Sequence[Rule], targets: Sequence[ScrapeTarget], exported: Mapping[str, Collection[str]]
) -> list[RuleFault]:
    """Everything that reading shows of a set of rules.

    Parameters
    ----------
    rules : sequence of Rule
        The set.
    targets : sequence of ScrapeTarget
        What is scraped.
    exported : mapping of str to collection of str
        Names of the metrics that each target exposes, by its address.
    """
    recorded = {rule.name for rule in rules if rule.recorded}
    found = []
    for rule in rules:
        if not rule.recorded:
            found += [
                *_unknown_series(rule, recorded, exported),
                *_unknown_targets(rule, recorded, targets),
                *_empty_group(rule),
                *_out_of_range(rule),
                *_own_death(rule, targets),
                *_doubtful(rule, targets),
            ]
    return found


def _unknown_series(rule: Rule, recorded: set[str], exported: Mapping[str, Collection[str]]) -> list[RuleFault]:
    everywhere = {"up", "scrape_duration_seconds", "ALERTS", *recorded}.union(*exported.values())
    missing = sorted(metric_names(rule.expr) - everywhere)
    return [RuleFault(rule.name, NEVER, f"it reads {name}, which nobody exports") for name in missing]


def _unknown_targets(rule: Rule, recorded: set[str], targets: Sequence[ScrapeTarget]) -> list[RuleFault]:
    """Selectors whose job no target has; `absent` of one is always true."""
    found = []
    jobs = sorted({target.job for target in targets})
    for name, matchers in selectors(rule.expr):
        for label, operator, value in matchers:
            if label != "job" or name in recorded or operator not in ("=", "=~"):
                continue
            hit = [job for job in jobs if (job == value if operator == "=" else re.fullmatch(value, job))]
            if not hit and not re.search(rf"absent\s*\(\s*{name}", rule.expr):
                found.append(
                    RuleFault(rule.name, NEVER, f'nothing is scraped as job="{value}"; the jobs are {", ".join(jobs)}')
                )
    return found


def _empty_group(rule: Rule) -> list[RuleFault]:
    """count() of a filter compared with 0: where the filter leaves nothing there is no group, and no 0."""
    found = _COUNT_OF_FILTER.search(_STRINGS.sub('""', rule.expr))
    if not found:
        return []
    why = (
        f"it compares count(... {found[1]} ...) with 0: where the filter leaves nothing there is no group at all, "
        "and nothing to compare; sum by (...) == 0 would do"
    )
    return [RuleFault(rule.name, NEVER, why)]


def _out_of_range(rule: Rule) -> list[RuleFault]:
    """Comparisons that no value of the series can meet."""
    compared = _COMPARED.match(rule.expr)
    if not compared:
        return []
    name, operator, number = compared[1], compared[2], float(compared[3])
    low, high = _BOUNDS.get(name, (_LEAST["gauge"], float("inf")))
    possible = {
        ">": high > number,
        ">=": high >= number,
        "<": low < number,
        "<=": low <= number,
        "==": low <= number <= high,
    }[operator]
    if possible:
        return []
    return [RuleFault(rule.name, NEVER, f"{name} is from {low:g} to {high:g}, never {operator} {number:g}")]


def _own_death(rule: Rule, targets: Sequence[ScrapeTarget]) -> list[RuleFault]:
    """A Prometheus that watches nobody but itself cannot say that it is dead."""
    watching = [target for target in targets if target.address.startswith("prometheus-")]
    for name, matchers in selectors(rule.expr):
        jobs = [value for label, operator, value in matchers if label == "job" and operator == "="]
        theirs = [target for target in watching if target.job in jobs]
        if name == "up" and theirs and len(watching) == 1:
            why = (
                "the only Prometheus there is would have to evaluate it while it is dead; a second one has to watch it"
            )
            return [RuleFault(rule.name, NEVER, why)]
    return []


def _doubtful(rule: Rule, targets: Sequence[ScrapeTarget]) -> list[RuleFault]:
    """Patterns that fire, but not for what the rule's name says."""
    found = []
    names = metric_names(rule.expr)
    if "scrape_duration_seconds" in names:
        why = (
            "a scrape's duration is a connection and a request, two round trips from where Prometheus stands: "
            "it is not the latency between regions, and reaches the limit at half of it"
        )
        found.append(RuleFault(rule.name, DOUBT, why))
    if re.search(r"\b(?:rate|increase|irate)\s*\(\s*bitcell_\w+(?<!_total)\s*(?:\{[^{}]*\})?\s*\[", rule.expr):
        found.append(RuleFault(rule.name, DOUBT, "rate() of a gauge takes every fall for a counter's reset"))
    share = re.search(r"by\s*\(region\).*/\s*count.*>\s*0?\.5\b", rule.expr)
    sizes: dict[str, int] = {}
    for target in targets:
        if target.address.startswith("node-"):
            sizes[target.labels.get("region", "")] = sizes.get(target.labels.get("region", ""), 0) + 1
    if share and any(size % 2 == 0 for size in sizes.values()):
        pairs = ", ".join(sorted(region for region, size in sizes.items() if size == 2))
        found.append(
            RuleFault(rule.name, DOUBT, f"one of two nodes is not more than half, so it is silent for {pairs}")
        )
    return found
