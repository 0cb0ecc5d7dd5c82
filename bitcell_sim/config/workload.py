"""Who sends transactions, how many, and what they pay."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bitcell_sim.config.base import Name, NonNegative, Positive, Section, Text


class GasPrice(Section):
    """Whole gas prices, lognormal, at least 1."""

    median: Positive = Field(description="Median gas price, whole units per gas.")
    sigma: NonNegative = Field(description="Sigma of the logarithm of the gas price.")


class Workload(Section):
    """Clients: open arrivals, shared over regions."""

    name: Name = Field(description="Name of the workload.")
    title: Text = Field(description="One line for people.")
    arrivals: Literal["poisson", "steady"] = Field(
        default="poisson", description="`poisson`: exponential gaps; `steady`: each region's clients at even gaps."
    )
    rate_tps: NonNegative = Field(description="Offered transactions per second, all regions together.")
    region_weight: dict[str, NonNegative] = Field(
        default_factory=dict, description="Share of each region in the arrivals, by weight; empty: equal."
    )
    client_timeout_s: Positive = Field(description="Seconds a client waits for an answer before the request fails.")
    access_delay_ms: NonNegative = Field(description="One-way delay between a client and its load balancer, ms.")
    data_bytes_mean: NonNegative = Field(description="Mean bytes of data a transaction carries; exponential.")
    gas_price: GasPrice = Field(description="What a transaction offers.")
