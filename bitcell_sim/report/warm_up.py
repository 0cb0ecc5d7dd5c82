"""Figure of a run's warm-up: what is cut, and what MSER-5 would cut."""

from __future__ import annotations

import numpy as np
from matplotlib import rc_context

from bitcell_sim.analysis.estimates import warmup_cut_mser5
from bitcell_sim.analysis.run_figures import FIGURES, values_of, warm_span_ms
from bitcell_sim.report.charts import BLUE, GREEN, GRID, ORANGE, ROSE, STYLE, LabFigure
from bitcell_sim.runs.run import RunData

DOTS = 4000  # at most
SMOOTH = 50  # windows of the moving mean over a run


def warm_up(run: RunData) -> LabFigure:
    """Draw the waits from submission to final in the order of submission, and both cuts.

    Parameters
    ----------
    run : RunData
        One run; transactions too late to become final are left out.
    """
    figure = FIGURES["finality_mean_s"]
    found = values_of(run, figure)
    counted = found.at_ms < run.simulated_s * 1000.0 - figure.margin_ms
    at_s, waits = found.at_ms[counted] / 1000.0, found.values[counted]
    cut = warmup_cut_mser5(waits)
    start_s = warm_span_ms(run)[0] / 1000.0
    with rc_context(STYLE):
        picture = LabFigure(figsize=(8.0, 3.4), layout="constrained")
        axes = picture.add_subplot()
        shown = slice(None, None, 1 + len(waits) // DOTS)
        axes.plot(at_s[shown], waits[shown], ".", color=BLUE, markersize=2, alpha=0.3)
        width = max(1, len(waits) // SMOOTH)
        if len(waits) > width:
            means = np.convolve(waits, np.ones(width) / width, mode="valid")
            axes.plot(at_s[width // 2 : width // 2 + len(means)], means, color=ROSE, linewidth=1.8, label="moving mean")
        axes.axvline(
            start_s, color=GREEN, linewidth=1.5, linestyle="--", label=f"warm-up as configured: {start_s:.0f} s"
        )
        if cut is not None and len(at_s):
            label = f"MSER-5: {at_s[cut]:.0f} s" if cut else "MSER-5: nothing to cut"
            axes.axvline(at_s[cut] if cut else 0.0, color=ORANGE, linewidth=1.5, linestyle=":", label=label)
        said = "" if cut is not None else "; too short for MSER-5 to tell"
        axes.set_xlabel("submitted, s from start")
        axes.set_ylabel("submission to final, s")
        axes.set_title(f"{run.scenario.name}, seed {run.seed}: is the warm-up cut?{said}")
        axes.set_ylim(bottom=0)
        axes.grid(color=GRID, alpha=0.25, linewidth=0.7)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return picture
