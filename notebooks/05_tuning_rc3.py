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
# # Tuning RC3
#
# How little has to change for RC3 to meet its targets, and which can no change meet? Under a minute in all.

# %%
import pandas as pd

import bitcell_sim
from bitcell_sim.studies.search import search

found = search("rc3")
print(f"{found.designs:,} designs predicted, {found.placed} of them places of the four regions")

# %% [markdown]
# ## The front
#
# Designs that no other beats in targets met, settings changed and size. Size counts doublings: a cap twice as large is
# one.

# %%
pd.DataFrame(
    {
        "targets met": [len(tuned.met) for tuned in found.front],
        "settings": [tuned.change.settings for tuned in found.front],
        "doublings": [round(tuned.change.doublings, 1) for tuned in found.front],
        "change": [tuned.change.words or "as it stands" for tuned in found.front],
    }
).style.hide(axis="index").format(precision=1)

# %% [markdown]
# ## What no placement can meet
#
# Every placement that the measured matrices of three providers know was judged. These targets fail in all of them; light
# in fibre would leave little room in any case.

# %%
pd.DataFrame(
    {
        "target": [row.target for row in found.nearest],
        "limit, ms": [row.limit_ms for row in found.nearest],
        "best p95, ms": [round(row.p95_ms, 1) for row in found.nearest],
        "light there, ms": [round(row.floor_ms, 1) for row in found.nearest],
        "met": [row.met for row in found.nearest],
        "where": [row.words for row in found.nearest],
    }
).style.hide(axis="index").format(precision=1)

# %% [markdown]
# ## The best design, run
#
# It is shipped as the deployment `rc3-tuned`. Its proofs and its round trips, judged as `verify` does:

# %%
cards = [
    bitcell_sim.verify("rc3-tuned", quick=True, replications=3, only=only, workers=1)
    for only in ("latency.*", "proof_*")
]
rows = pd.concat([card.frame for card in cards])
rows[["id", "limit", "measured", "ci_low", "ci_high", "verdict"]].style.hide(axis="index").format(precision=2)

# %%
cards[0].plot()
