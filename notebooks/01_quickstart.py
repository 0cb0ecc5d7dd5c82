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
# # Quickstart
#
# One run of the RC3 mesh, its tables and figures; the scorecard; and a what-if. Under a minute in all.

# %%
import bitcell_sim

# %% [markdown]
# ## One run
#
# Twenty simulated minutes of seven nodes in four regions, ten transactions a second. The same seed gives the same run,
# byte for byte.

# %%
run = bitcell_sim.simulate("rc3", duration="20min", seed=1)
run

# %% [markdown]
# Every table is a pandas frame: one row a block, a transaction, a battle, a vote.

# %%
blocks = run["blocks"]
blocks[["height", "builder", "built_ms", "transaction_count", "quorum_final_ms", "state"]].tail()

# %% [markdown]
# How long does a transaction wait, and for what? Most of it is the wait for the next block; the votes take a quarter of a
# second.

# %%
transactions = run["transactions"]
final = transactions[transactions["state"] == "final"]
waited_s = (final["final_ms"] - final["submitted_ms"]) / 1000
voted_s = ((blocks["quorum_final_ms"] - blocks["built_ms"]) / 1000).dropna()
print(f"submission to final: median {waited_s.median():.0f} s, 95 % within {waited_s.quantile(0.95):.0f} s")
print(f"block to final:      median {voted_s.median():.2f} s, 95 % within {voted_s.quantile(0.95):.2f} s")

# %%
run.plot.timeline()

# %% [markdown]
# ## The measurement plan of the documents, simulated
#
# Ten pings from every node to every other, here between the regions' first nodes.

# %%
pings = bitcell_sim.ping("rc3", repeat=20)
first = ["us-east-1", "us-west-1", "eu-central-1", "ap-southeast-1"]
between = pings[pings["source"].isin(first) & pings["target"].isin(first)]
between.pivot_table(index="source", columns="target", values="p95_ms").round(1)

# %% [markdown]
# ## Is it under 200 ms?
#
# A verdict is `pass` or `fail` only if the whole 95 % interval agrees, else `unknown`.

# %%
scorecard = bitcell_sim.verify("rc3", quick=True, only="latency.*", workers=1)
scorecard.frame[["id", "limit", "measured", "ci_low", "ci_high", "verdict"]].round(1)

# %%
scorecard.plot()

# %% [markdown]
# ## What if battles took no time?
#
# Any key of the configuration can be changed. Both runs meet the same clients and the same network.

# %%
offered = ["workload.rate_tps=100.0"]
rates = {}
for name, sets in {
    "as it stands": [],
    "sparse battle engine": ["protocol.battle.engine=sparse"],
    "and 1500 transactions, 10 s rounds": ["protocol=rc3-capable"],
}.items():
    what_if = bitcell_sim.simulate("rc3", duration="10min", sets=offered + sets)
    made = what_if["blocks"].query("state == 'final'").iloc[1:]
    span_s = (made["built_ms"].iloc[-1] - made["built_ms"].iloc[0]) / 1000
    rates[name] = made["transaction_count"].iloc[1:].sum() / span_s
for name, rate in rates.items():
    print(f"{name:36} {rate:6.1f} TPS final of 100 offered")
