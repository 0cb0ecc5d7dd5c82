"""What a notebook or a script holds: a run that plots and shows itself, and its scorecard."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitcell_sim.errors import InputError
from bitcell_sim.report import series
from bitcell_sim.report.row_text import number
from bitcell_sim.report.scorecard import Scorecard
from bitcell_sim.runs.run import RunData

if TYPE_CHECKING:
    import pandas as pd

    from bitcell_sim.config.schema import Scenario
    from bitcell_sim.faults.checkers import Violation
    from bitcell_sim.report.charts import LabFigure

__all__ = ["Plots", "Run", "Scorecard"]


class Run:
    """One run as a person uses it: tables by name, figures, a page.

    Parameters
    ----------
    data : RunData
        The run, just ended or read from disk.
    scorecard : Scorecard or mapping, optional
        Verdicts that belong to it.

    Attributes
    ----------
    plot : Plots
        Figures, such as ``run.plot.timeline()``.
    scorecard : Scorecard or None
        Verdicts, if there are any.
    """

    def __init__(self, data: RunData, *, scorecard: Scorecard | Mapping[str, Any] | None = None) -> None:
        self.data = data
        self.scorecard = Scorecard(scorecard) if isinstance(scorecard, Mapping) else scorecard
        self.plot = Plots(data)

    def __repr__(self) -> str:
        return repr(self.data)

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Table by name, such as ``run["blocks"]``."""
        return series.table(self.data, name)

    @property
    def scenario(self) -> Scenario:
        """What ran, every model resolved."""
        return self.data.scenario

    @property
    def seed(self) -> int:
        """Seed that all chance of the run came from."""
        return self.data.seed

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Frames by table name; see docs/reference/tables.md."""
        return self.data.tables

    @property
    def trace_digest(self) -> str:
        """SHA-256 over all tables: equal digests are equal runs."""
        return self.data.trace_digest

    @property
    def counts(self) -> Mapping[str, int]:
        """Rows of every table."""
        return self.data.counts

    @property
    def simulated_s(self) -> float:
        """Simulated time, seconds."""
        return self.data.simulated_s

    @property
    def violations(self) -> tuple[Violation, ...]:
        """What the safety checkers found; empty in a sound run."""
        return self.data.violations

    @property
    def manifest(self) -> Mapping[str, Any]:
        """Where the run came from; empty if it was not stored."""
        return self.data.manifest

    @property
    def path(self) -> Path | None:
        """Folder of the run; None if it was not stored."""
        return self.data.path

    def to_html(self, path: str | Path, *, latency_samples: series.LatencySamples | None = None) -> Path:
        """Write the offline page of this run.

        Parameters
        ----------
        path : str or Path
            File to write.
        latency_samples : mapping of (source, target) to sequence of float, optional
            Round trips between regions, milliseconds; without them the table ``probes``, if there is one.

        Returns
        -------
        Path
            The file.
        """
        from bitcell_sim.report.page import write_page

        return write_page(self.data, path, scorecard=self.scorecard, latency_samples=latency_samples)

    def _repr_html_(self) -> str:
        """Short table for a notebook, in the notebook's own colours, light or dark."""
        counted = series.books(series.table(self.data, "transactions"))
        states = ", ".join(f"{count:,} {state}" for state, count in counted.items() if count)
        blocks = series.table(self.data, "blocks")["state"].value_counts()
        faults = series.fault_bands(self.data)
        violated = ", ".join(f"{found.property}: {found.detail}" for found in self.violations)
        rows = {
            "Simulated": f"{series.clock(self.simulated_s)} min:s, {len(self.scenario.deployment.node)} nodes",
            "Transactions": f"{sum(counted.values()):,}: {states or 'none'}",
            "Final rate": f"{number(counted.get('final', 0) / self.simulated_s)} TPS",
            "Blocks": ", ".join(f"{count} {state}" for state, count in blocks.items() if count) or "none",
            "Faults": ", ".join(band.label for band in faults) or "none",
            "Safety": violated or "no violation",
            "Trace digest": self.trace_digest,
        }
        if self.scorecard is not None:
            rows["Scorecard"] = self.scorecard.summary
        if self.path is not None:
            rows["Folder"] = str(self.path)
        left = 'style="text-align:left"'
        body = "".join(
            f'<tr><th scope="row" {left}>{name}</th><td {left}>{escape(value)}</td></tr>'
            for name, value in rows.items()
        )
        caption = f"<b>{escape(self.scenario.name)}</b>, seed {self.seed}: {escape(self.scenario.title)}"
        return f"<table><caption {left}>{caption}</caption><tbody>{body}</tbody></table>"


class Plots:
    """Figures of one run, each a matplotlib figure that shows itself in a notebook.

    Parameters
    ----------
    data : RunData
        The run.
    """

    def __init__(self, data: RunData) -> None:
        self._data = data

    def timeline(self) -> LabFigure:
        """Draw throughput and waiting transactions over time, with the faults as bands."""
        from bitcell_sim.report.charts import timeline

        return timeline(self._data)

    def latency_cdf(self, samples: series.LatencySamples | None = None) -> LabFigure:
        """Draw the round trips of every pair of regions beside its limit.

        Parameters
        ----------
        samples : mapping of (source, target) to sequence of float, optional
            Round trips, milliseconds; without them the run's table ``probes``.

        Raises
        ------
        InputError
            If there are no samples.
        """
        from bitcell_sim.report.charts import latency_cdf

        found = series.probe_samples(self._data) if samples is None else samples
        if not found:
            raise InputError("the run has no table 'probes'; give samples: {(source, target): [round trips in ms]}")
        scenario = self._data.scenario
        pairs = series.region_pairs(scenario)
        limits = {pair: series.pair_limit_ms(scenario, pair) for pair in pairs}
        overall = series.limits(scenario).get("latency.cross-region")
        return latency_cdf(found, pairs, limits, overall_limit_ms=overall)

    def warm_up(self) -> LabFigure:
        """Draw the waits of the run's transactions in order, with the warm-up as configured and as MSER-5 finds it."""
        from bitcell_sim.report.warm_up import warm_up

        return warm_up(self._data)

    def finality_cdf(self) -> LabFigure:
        """Draw how long clients of each region wait from submission to final."""
        from bitcell_sim.report.charts import finality_cdf

        return finality_cdf(self._data)

    def proof_times(self) -> LabFigure:
        """Draw how long battle proofs take, by what became of them."""
        from bitcell_sim.report.charts import proof_times

        return proof_times(self._data)

    def recovery_stages(self) -> LabFigure:
        """Draw the way back of every node that crashed, stage by stage."""
        from bitcell_sim.report.charts import recovery_stages

        return recovery_stages(self._data)
