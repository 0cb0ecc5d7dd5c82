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
# # Designing a fault
#
# A scenario is a deployment and what goes wrong with it. Here one is written, checked, run, and made worse until it
# hurts. Half a minute in all.

# %%
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd

import bitcell_sim

folder = Path(mkdtemp())
mine = folder / "two-troubles.toml"
mine.write_text(
    """
title = "Every path is slow while the load doubles"
deployment = "rc3"
duration_s = 900

[[fault]]
kind = "latency"
share_ratio = 1.0
added_ms = 300
ramp_s = 60
start_s = 300
duration_s = 300

[[fault]]
kind = "load-surge"
factor = 2
start_s = 300
duration_s = 300
"""
)
scenario = bitcell_sim.load_scenario(mine)
scenario

# %% [markdown]
# A slip is told with its place and what was meant.

# %%
(folder / "slip.toml").write_text(mine.read_text().replace("share_ratio", "share_ration").replace("ramp_s", "ramp"))
try:
    bitcell_sim.load_scenario(folder / "slip.toml")
except bitcell_sim.ConfigError as error:
    print(str(error).replace(str(folder), ""))

# %%
run = bitcell_sim.simulate(mine, seed=1)
run.plot.timeline()

# %% [markdown]
# ## How much is too much?
#
# The same fault, stronger and stronger, each on the same three seeds.

# %%


def final_share(run: bitcell_sim.Run) -> float:
    """Share of what was offered during the fault that became final."""
    frame = run["transactions"]
    during = frame["submitted_ms"].between(300e3, 600e3)
    return float((frame["state"][during] == "final").mean())


shares = {}
for added_ms in (300, 3000, 9000):
    sets = [f"fault.0.added_ms={added_ms}"]
    values = bitcell_sim.replicate(mine, replications=3, sets=sets, measure=final_share, workers=1)
    shares[f"+{added_ms} ms"] = values
pd.DataFrame(shares, index=[f"seed {seed}" for seed in (1, 2, 3)]).T.round(3)

# %% [markdown]
# ## Planned instead of suffered
#
# A node that is drained first, so that the load balancers send it nothing new, costs no request.

# %%
crash = {"kind": "process-crash", "node": "us-east-1", "start_s": 300.0, "duration_s": 60.0}
drain = {"kind": "drain", "target": "us-east-1", "start_s": 285.0, "duration_s": 105.0}
failed = {}
for name, faults in {"crashed": [crash], "drained, then stopped": [drain, crash]}.items():
    text = "\n".join(
        "[[fault]]\n" + "\n".join(f"{key} = {value!r}".replace("'", '"') for key, value in fault.items())
        for fault in faults
    )
    (folder / "stop.toml").write_text(f'title = "stop"\ndeployment = "rc3"\nduration_s = 600\n{text}\n')
    requests = bitcell_sim.simulate(folder / "stop.toml")["transactions"]["request"]
    failed[name] = int((requests != "ok").sum())
failed
