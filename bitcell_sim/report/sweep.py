"""A sweep as a notebook or a script holds it: its table, means with intervals, indices, a figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bitcell_sim.analysis.estimates import mean_interval
from bitcell_sim.config.sweep import Sweep
from bitcell_sim.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from bitcell_sim.report.charts import LabFigure

MANY_CURVES = 8


class SweepTable:
    """A sweep that was done.

    Parameters
    ----------
    sweep : Sweep
        Its file.
    frame : DataFrame
        One row a run: point, replication, seed, factors, metrics, error.
    content : mapping
        What the command gives as JSON.

    Attributes
    ----------
    frame : DataFrame
        The table, tidy: one row a run.
    """

    def __init__(self, sweep: Sweep, frame: pd.DataFrame, content: dict[str, Any]) -> None:
        self.sweep = sweep
        self.frame = frame
        self.content = content

    def __repr__(self) -> str:
        done, points, failed = (self.content[key] for key in ("done", "points", "failed"))
        return f"<sweep {self.sweep.name}: {done} of {points} points done, {failed} failed, {len(self.frame)} runs>"

    def _repr_html_(self) -> str:
        """First means, as a table."""
        shown: str = self.means().head(12).to_html(index=False, float_format=lambda value: f"{value:.4g}")
        return f"<b>{self.sweep.title}</b> {shown}"

    @property
    def path(self) -> Path:
        """The Parquet file."""
        return Path(self.content["table"])

    @property
    def factors(self) -> list[str]:
        """Keys that change from point to point."""
        return [factor.key for factor in self.sweep.factor]

    def means(self) -> pd.DataFrame:
        """One row a point: factors, how many runs, and of each metric the mean with its 95 % interval.

        Returns
        -------
        DataFrame
            Columns ``METRIC``, ``METRIC_low``, ``METRIC_high``; missing where a run has no figure.
        """
        import pandas as pd

        rows = []
        for point, mine in self.frame[self.frame["error"] == ""].groupby("point"):
            row: dict[str, Any] = {"point": point, **{key: mine[key].iloc[0] for key in self.factors}, "n": len(mine)}
            for metric in self.sweep.metric:
                values = mine[metric].to_numpy()
                estimate = mean_interval(values) if np.isfinite(values).all() else mean_interval([])
                for name, value in (
                    (metric, estimate.measured),
                    (f"{metric}_low", estimate.ci_low),
                    (f"{metric}_high", estimate.ci_high),
                ):
                    row[name] = np.nan if value is None else value
            rows.append(row)
        ends = [f"{metric}{end}" for metric in self.sweep.metric for end in ("", "_low", "_high")]
        return pd.DataFrame(rows, columns=["point", *self.factors, "n", *ends])

    def sensitivity(self, metric: str | None = None) -> pd.DataFrame:
        """Sobol's indices of a metric: what share of its variance each factor explains, alone and in all.

        Parameters
        ----------
        metric : str, optional
            The file's first without it.

        Raises
        ------
        InputError
            If the sweep's method is not ``saltelli``, or a point has no figure.
        MissingToolError
            If SALib is not installed.
        """
        from bitcell_sim.analysis.sensitivity import sobol_indices

        if self.sweep.method != "saltelli":
            raise InputError(f'method {self.sweep.method!r} gives no indices; method = "saltelli" does')
        means = self.means().set_index("point")[self._known(metric)].reindex(range(self.content["points"]))
        return sobol_indices(self.factors, [None if np.isnan(value) else float(value) for value in means])

    def plot(self, metric: str | None = None) -> LabFigure:
        """Draw a metric over the first factor, one curve for each value of the second; or its indices.

        Parameters
        ----------
        metric : str, optional
            The file's first without it.
        """
        from bitcell_sim.report.sweep_figure import plot_curves, plot_indices, plot_points

        name = self._known(metric)
        if self.sweep.method == "saltelli":
            return plot_indices(self.sensitivity(name), name)
        means = self.means()
        if self.sweep.method == "grid" and len(self.factors) <= 2 and self._curves(means) <= MANY_CURVES:
            return plot_curves(means, self.factors, name, self.sweep.title)
        return plot_points(means, self.factors, name, self.sweep.title)

    def _curves(self, means: pd.DataFrame) -> int:
        return means[self.factors[1]].nunique() if len(self.factors) > 1 else 1

    def _known(self, metric: str | None) -> str:
        name = self.sweep.metric[0] if metric is None else metric
        if name not in self.sweep.metric:
            raise InputError(f"metric {name!r} is not in this sweep; there are {', '.join(self.sweep.metric)}")
        return name
