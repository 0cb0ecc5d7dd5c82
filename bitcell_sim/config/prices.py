"""What machines, disks and traffic cost: list prices of a provider, for what-ifs."""

from __future__ import annotations

from pydantic import Field

from bitcell_sim.config.base import Name, NonNegative, Positive, Probability, Section, Text


class Machine(Section):
    """One kind of machine that can be rented."""

    type: Text = Field(description="What the provider calls it.")
    cores: Positive = Field(description="Processor cores.")
    memory_gb: Positive = Field(description="Memory in GB.")
    hour_usd: Positive = Field(description="US dollars an hour on demand.")


class Spot(Section):
    """Spare machines that the provider may take back."""

    price_ratio: Probability = Field(description="Price as a share of the price on demand.")
    interrupted_per_month_probability: Probability = Field(description="Probability that one is taken in a month.")
    notice_s: NonNegative = Field(description="Seconds between the notice and the loss.")


class Prices(Section):
    """List prices of a provider, without discounts and taxes."""

    name: Name = Field(description="Name of the price list.")
    title: Text = Field(description="One line for people.")
    month_h: Positive = Field(description="Hours of a month.")
    node: Machine = Field(description="Machine of one node.")
    prover: Machine = Field(description="Machine of a prover farm.")
    balancer: Machine = Field(description="Machine of a load balancer.")
    spot: Spot = Field(description="Spare machines.")
    disk_gb_month_usd: NonNegative = Field(description="US dollars a GB and month of disk.")
    snapshot_gb_month_usd: NonNegative = Field(description="US dollars a GB and month of snapshots.")
    between_regions_gb_usd: NonNegative = Field(description="US dollars a GB sent to another region.")
    prover_boot_s: NonNegative = Field(description="Seconds from asking for a machine to its first work.")
    restore_mb_per_s: Positive = Field(description="MB a second at which a snapshot is read back.")
