"""A comparison as a notebook or a script holds it: a frame, and a figure of all differences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from bitcell_sim.report.charts import LabFigure

COLUMNS = ("id", "unit", "a", "b", "difference", "ci_low", "ci_high", "family_probability", "verdict")


class Comparison:
    """Paired differences of every figure of two runs, or of two sets of runs.

    Parameters
    ----------
    content : mapping
        What the command ``compare`` gives as JSON.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = dict(content)

    def __repr__(self) -> str:
        rows = self.content["metrics"]
        said = ", ".join(f"{row['id']} {row['verdict']}" for row in rows if row["verdict"] in ("better", "worse"))
        return f"<comparison of {len(rows)} figures: {said or 'nothing differs beyond chance'}>"

    def _repr_html_(self) -> str:
        """Return the frame as a table."""
        return str(self.frame.to_html(index=False, float_format=lambda value: f"{value:.4g}"))

    @property
    def frame(self) -> pd.DataFrame:
        """One row a figure."""
        import pandas as pd

        return pd.DataFrame(self.content["metrics"])[list(COLUMNS)]

    def plot(self) -> LabFigure:
        """Draw every difference as a share of the first run's figure, with its 95 % interval."""
        from matplotlib import rc_context

        from bitcell_sim.report.charts import GRID, INK, STYLE, VERDICT_COLOURS, LabFigure

        colours = {"better": VERDICT_COLOURS["pass"], "worse": VERDICT_COLOURS["fail"]}
        rows = [row for row in self.content["metrics"] if row["difference"] is not None and row["a"]]
        with rc_context(STYLE):
            figure = LabFigure(figsize=(8.0, 1.2 + 0.3 * max(1, len(rows))), layout="constrained")
            axes = figure.add_subplot()
            axes.axvline(0.0, color=GRID, linewidth=0.8)
            for place, row in enumerate(rows):
                colour = colours.get(row["verdict"], INK)
                size = abs(row["a"]) / 100.0
                if row["ci_low"] is not None:
                    axes.plot([row["ci_low"] / size, row["ci_high"] / size], [place, place], color=colour, linewidth=2)
                marker = {"better": "^", "worse": "v", "unknown": "D"}.get(row["verdict"], "o")
                axes.plot([row["difference"] / size], [place], marker=marker, color=colour, markersize=6)
            axes.set_xscale("symlog", linthresh=10.0)
            ends = [abs(end) for end in axes.get_xlim()]
            axes.set_xlim(-max(*ends, 10.0), max(*ends, 10.0))
            ticks = [tick for tick in (-1000, -100, -10, -5, 0, 5, 10, 100, 1000) if abs(tick) <= axes.get_xlim()[1]]
            axes.set_xticks(ticks, [f"{tick:+g} %" if tick else "0" for tick in ticks])
            axes.set_yticks(range(len(rows)), [row["id"] for row in rows])
            axes.invert_yaxis()
            axes.grid(axis="x", color=GRID, alpha=0.25, linewidth=0.7)
            axes.set_xlabel("difference, share of the first's figure (95 % intervals; linear up to 10 %)")
            axes.set_title("▲ better, ▼ worse beyond chance, all figures together; ● not so, ◆ cannot be told")
        return figure
