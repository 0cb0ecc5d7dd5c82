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
# # Reading a run
#
# What a run leaves: its tables, its figures, the story of one transaction, and its page. Half a minute in all.

# %%
import tempfile
from pathlib import Path

import bitcell_sim

run = bitcell_sim.simulate("region-loss-ap-southeast", seed=3)
run

# %% [markdown]
# ## What it was
#
# The scenario is the run's whole configuration, every model filled in.

# %%
run.scenario

# %% [markdown]
# ## Its tables
#
# One a kind of record, as pandas frames; docs/reference/tables.md says what each column means.

# %%
print(run.counts)
transactions = run["transactions"]
transactions.groupby("client_region", observed=True)["state"].value_counts().unstack(fill_value=0)

# %% [markdown]
# Who was told what, while the region was away? Its own clients have no load balancer until DNS moves them.

# %%
fault = run["faults"].iloc[0]
meanwhile = transactions["submitted_ms"].between(fault["start_ms"], fault["end_ms"])
transactions[meanwhile].groupby("client_region", observed=True)["request"].value_counts().unstack(fill_value=0)

# %% [markdown]
# ## Its figures

# %%
run.plot.timeline()

# %%
run.plot.finality_cdf()

# %%
run.plot.recovery_stages()

# %% [markdown]
# ## How long between blocks, and who made them

# %%
blocks = run["blocks"].query("state == 'final'")
print((blocks["built_ms"].diff() / 1000).describe().round(1).to_string())
blocks["builder"].value_counts().rename("blocks made").to_frame()

# %% [markdown]
# ## On disk
#
# `bitcell-sim run` keeps the same tables as Parquet files, which `bitcell_sim.load_run` reads. Its page needs no network.

# %%
page = run.to_html(Path(tempfile.mkdtemp()) / "run.html")
print(f"{page.name}: {page.stat().st_size / 1000:.0f} kB")
