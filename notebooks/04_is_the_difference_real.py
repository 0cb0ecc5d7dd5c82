# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Is the difference real?
#
# One run is one draw. Two variants are compared on the same seeds, where they share clients, network and noise, so that
# the differences of pairs vary far less than the runs do. Under a minute in all.

# %%
import numpy as np
import pandas as pd

import bitcell_sim
from bitcell_sim.analysis.estimates import mean_interval
from bitcell_sim.report.charts import BLUE, INK, ORANGE, STYLE, LabFigure

SEEDS = 8


def wait_s(run: bitcell_sim.Run) -> float:
    """Mean seconds from submission to final."""
    frame = run["transactions"].query("state == 'final'")
    return float((frame["final_ms"] - frame["submitted_ms"]).mean() / 1000)


def measured(*sets: str) -> list[float]:
    return bitcell_sim.replicate("rc3", replications=SEEDS, sets=["duration_s=900", *sets], measure=wait_s, workers=1)


# %% [markdown]
# ## A small change: a pause of 4.8 s instead of 5

# %%
as_it_is = measured()
shorter = measured("protocol.round.pause_s=4.8")
table = pd.DataFrame({"5 s": as_it_is, "4.8 s": shorter}, index=pd.RangeIndex(1, SEEDS + 1, name="seed"))
table["difference"] = table["4.8 s"] - table["5 s"]
table.round(2)

# %% [markdown]
# ## Unpaired and paired
#
# Compared as two separate samples the difference drowns; the same numbers in pairs show it.

# %%
paired = mean_interval(list(table["difference"]))
spread = np.sqrt((np.var(as_it_is, ddof=1) + np.var(shorter, ddof=1)) / SEEDS)
print(f"paired:   {paired.measured:+.3f} s, 95 % interval {paired.ci_low:+.3f} to {paired.ci_high:+.3f}")
print(f"unpaired: {paired.measured:+.3f} s, give or take {2.1 * spread:.3f}")

# %%
from matplotlib import rc_context

with rc_context(STYLE):
    figure = LabFigure(figsize=(7, 3), layout="constrained")
    runs, pairs = figure.subplots(1, 2)
    for place, (name, colour) in enumerate((("5 s", BLUE), ("4.8 s", ORANGE))):
        runs.plot([place] * SEEDS, table[name], "o", color=colour, alpha=0.7)
    for _, row in table.iterrows():
        runs.plot([0, 1], [row["5 s"], row["4.8 s"]], color=INK, linewidth=0.8, alpha=0.6)
    runs.set_xticks([0, 1], ["pause 5 s", "4.8 s"])
    runs.set_ylabel("submission to final, s")
    runs.set_xlim(-0.4, 1.4)
    pairs.plot(table["difference"], np.zeros(SEEDS), "o", color=ORANGE, alpha=0.7)
    pairs.plot([paired.ci_low, paired.ci_high], [0.3, 0.3], color=INK, linewidth=3)
    pairs.plot([paired.measured], [0.3], "D", color=INK)
    pairs.axvline(0, color=INK, linestyle="--", linewidth=1)
    pairs.set_ylim(-0.5, 0.8)
    pairs.set_yticks([])
    pairs.set_xlabel("4.8 s less 5 s, same seed, s")
figure

# %% [markdown]
# ## No change at all
#
# A change that touches nothing in the run gives the very same numbers, because a draw depends on the seed and on what it
# is for, never on what was drawn before. So any difference is a change; whether it matters is what the interval says.

# %%
same = measured("deployment.region.0.title=Virginia")
print("equal to the last digit:", same == as_it_is)
