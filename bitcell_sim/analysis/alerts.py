"""From what fired to what it says: detected or not, how late, what stood there before, and what was a false alarm."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bitcell_sim.analysis.estimates import Estimate, proportion_interval, quantile
from bitcell_sim.config.alerting import AlertTest

if TYPE_CHECKING:
    import pandas as pd

MONTH_S = 30 * 86_400.0
MEDIAN, P95 = 0.5, 0.95


class Interval(Protocol):
    """One contiguous interval in which one alert fired."""

    @property
    def labels(self) -> tuple[tuple[str, str], ...]:
        """All its labels."""

    @property
    def first_s(self) -> float:
        """When it began."""

    @property
    def last_s(self) -> float:
        """When it was last seen."""

    @property
    def alert(self) -> str:
        """Its name."""


@dataclass(frozen=True)
class Noticed:
    """What one run of a fault raised.

    Parameters
    ----------
    seed : int
        Of the run.
    onset_s : float
        When the fault began.
    standing : tuple of str
        Names of alerts that had fired before the onset; they count for nothing.
    fired : tuple of Interval
        What began after it, without the standing ones.
    missed : tuple of str
        Expected ones that did not begin.
    false : tuple of str
        Known ones that began and have nothing to do with the fault.
    delay_s : float
        Seconds from the onset to the first expected alert; NaN without one.
    """

    seed: int
    onset_s: float
    standing: tuple[str, ...]
    fired: tuple[Any, ...]
    missed: tuple[str, ...]
    false: tuple[str, ...]
    delay_s: float

    @property
    def detected(self) -> bool:
        """Whether an expected alert began."""
        return not math.isnan(self.delay_s)


def judge(
    test: AlertTest,
    seed: int,
    onset_s: float,
    firings: Sequence[Interval],
    *,
    have: Collection[str],
    known: Collection[str],
) -> Noticed:
    """Judge one run of a fault.

    Parameters
    ----------
    test : AlertTest
        The fault and what it should raise.
    seed, onset_s : int, float
        Of the run; seconds.
    firings : sequence of Interval
        What fired during the run.
    have : collection of str
        Alerts that the rule file has.
    known : collection of str
        Alerts that any test names; of others nobody has said what they should answer to, so they detect.
    """
    standing = sorted({firing.alert for firing in firings if firing.first_s <= onset_s})
    fired = tuple(firing for firing in firings if firing.first_s > onset_s and firing.alert not in standing)
    names = {firing.alert for firing in fired}
    answering = [firing for firing in fired if firing.alert in test.expects or firing.alert not in known]
    return Noticed(
        seed=seed,
        onset_s=onset_s,
        standing=tuple(standing),
        fired=fired,
        missed=tuple(name for name in test.expects if name in have and name not in names and name not in standing),
        false=tuple(sorted(names & set(known) - {*test.expects, *test.follows})),
        delay_s=min((firing.first_s for firing in answering), default=math.nan) - onset_s,
    )


def delays_s(noticed: Sequence[Noticed], alert: str) -> list[float]:
    """Seconds from the onset to the first interval of an alert, of the runs in which it began."""
    found = []
    for run in noticed:
        begins = [firing.first_s for firing in run.fired if firing.alert == alert]
        if begins:
            found.append(min(begins) - run.onset_s)
    return found


def spread(values: Sequence[float]) -> dict[str, float | int | None]:
    """Distribution of delays in one line: number, least, median, 95th percentile, most."""
    if not values:
        return {"n": 0, "min": None, "p50": None, "p95": None, "max": None}
    p50, p95 = quantile(values, MEDIAN), quantile(values, P95)
    return {"n": len(values), "min": min(values), "p50": p50, "p95": p95, "max": max(values)}


def detection(noticed: Sequence[Noticed]) -> Estimate:
    """Share of the runs in which a fault was noticed."""
    return proportion_interval(sum(run.detected for run in noticed), len(noticed))


def false_alarms_per_month(
    firings: Sequence[Interval], *, from_s: float, to_s: float, always: Collection[str]
) -> dict[str, float]:
    """How often each alert begins in a month without faults.

    Parameters
    ----------
    firings : sequence of Interval
        What fired in a quiet run.
    from_s, to_s : float
        The part of the run that counts, seconds.
    always : collection of str
        Alerts that are meant to fire all the time.
    """
    counts: dict[str, float] = {}
    for firing in firings:
        if from_s < firing.first_s <= to_s and firing.alert not in always:
            counts[firing.alert] = counts.get(firing.alert, 0.0) + 1
    return {alert: count * MONTH_S / (to_s - from_s) for alert, count in sorted(counts.items())}


def firing_table(firings: Sequence[Interval]) -> pd.DataFrame:
    """The table `alerts`: one row a contiguous interval of one alert series.

    Parameters
    ----------
    firings : sequence of Interval
        What fired.
    """
    import json

    import pandas as pd

    rows = []
    for firing in firings:
        labels = dict(firing.labels)
        rows.append(
            {
                "alert": firing.alert,
                "severity": labels.get("severity", ""),
                "component": labels.get("component", ""),
                "region": labels.get("region", ""),
                "labels": json.dumps(labels, sort_keys=True),
                "node": labels.get("node", ""),
                "first_s": firing.first_s,
                "last_s": firing.last_s,
            }
        )
    columns = ["alert", "severity", "component", "region", "labels", "node", "first_s", "last_s"]
    return pd.DataFrame(rows, columns=columns)
