"""A latency source: measured round trips between cloud regions, and what varies around them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bitcell_sim.config.base import Many, Name, NonNegative, Positive, Probability, Section, Some, Text


class Jitter(Section):
    """What is added to the base of a round trip; docs/reference/models.md holds the formula."""

    slow_dwell_s: Positive = Field(description="Seconds a link keeps one slow state before the next is drawn.")
    fast_scale_ms: NonNegative = Field(description="Scale in ms of the per-packet gamma part (shape 2).")
    spike_probability: Probability = Field(description="Probability that a packet meets a spike.")
    spike_scale_ms: NonNegative = Field(description="Smallest spike, ms: the scale of its Pareto law.")
    spike_alpha: Positive = Field(description="Exponent of the spike's Pareto law.")
    spike_max_ms: NonNegative = Field(description="Largest spike, ms: the Pareto law is cut here.")
    loss_probability: Probability = Field(description="Probability that one packet is lost, per direction.")


class Site(Section):
    """Where a cloud region stands, for the fibre floor."""

    name: Text = Field(description="Region's name at the provider.")
    place: Text = Field(description="Place for people.")
    latitude_deg: Annotated[float, Field(ge=-90, le=90)] = Field(description="Latitude in degrees, north positive.")
    longitude_deg: Annotated[float, Field(ge=-180, le=180)] = Field(description="Longitude in degrees, east positive.")


class Link(Section):
    """One directed pair of cloud regions: typical round trip, and its slow spread as a 95th percentile or a scale."""

    source: Text = Field(description="Region that sends, by its provider's name.")
    target: Text = Field(description="Region that answers, by its provider's name.")
    rtt_ms: Positive = Field(description="Round trip in ms: the source's statistic.")
    rtt_p95_ms: Positive | None = Field(
        default=None, description="95th percentile of the round trip, ms; or give slow_scale_ms."
    )
    slow_scale_ms: NonNegative | None = Field(
        default=None, description="Scale in ms of the exponential slow part; or give rtt_p95_ms. 0: none."
    )


class IntraRegion(Section):
    """Round trips between nodes of one region."""

    same_zone_rtt_ms: Positive = Field(description="Round trip in ms between two nodes of one zone.")
    cross_zone_rtt_ms: Positive = Field(description="Round trip in ms between two zones of one region.")


class LatencySource(Section):
    """A matrix of measured round trips with its jitter model."""

    name: Name = Field(description="Name of the latency source.")
    title: Text = Field(description="One line for people.")
    source: Text = Field(description="Where the numbers come from.")
    date: Text = Field(description="When they were measured.")
    statistic: Literal["p50", "mean", "expected"] = Field(description="What rtt_ms is of the measurements.")
    measures: Literal["rtt", "one-way"] = Field(description="Must be `rtt`; a one-way matrix is refused.")
    provider: Text = Field(description="Key of the deployment's cloud mapping that names the regions here.")
    local: bool = Field(default=False, description="One machine: no distance, so no fibre floor and no sites.")
    jitter: Jitter = Field(description="What varies from packet to packet.")
    intra_region: IntraRegion = Field(description="Round trips inside a region.")
    site: Many[Site] = Field(default=(), description="Where each region stands.")
    link: Some[Link] = Field(description="Every directed pair.")
