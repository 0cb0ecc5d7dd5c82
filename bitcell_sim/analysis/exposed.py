"""What every node and balancer would expose at any moment of a run, from its tables and what was watched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bitcell_sim.analysis.tables import Tables
from bitcell_sim.config.alerting import Exporters
from bitcell_sim.config.schema import Scenario
from bitcell_sim.engine.watching import Watched
from bitcell_sim.kernels.transactions import DOWN, SILENT, UP
from bitcell_sim.operations.load_balancer import homes
from bitcell_sim.operations.metrics import Sample
from bitcell_sim.operations.scraper import Way, round_trips_ns
from bitcell_sim.random_streams import stream_key
from bitcell_sim.units import NS_PER_MS, NS_PER_S, seconds_to_ns

if TYPE_CHECKING:
    from bitcell_sim.kernels.arrays import Flags, Floats, Ints

FRONTEND, BACKEND = "bitcell_rpc", "bitcell_nodes"
STATUS_OF = {"ok": "2xx", "rejected": "2xx", "no-server": "5xx", "error": "5xx", "timeout": "other"}
CODES = ("2xx", "5xx", "other")
GAUGE_OF = {
    "bitcell_chain_height": "height",
    "bitcell_finalized_height": "final_height",
    "bitcell_sync_progress": "sync",
    "bitcell_peer_count": "peers",
    "bitcell_dht_peer_count": "peers",
    "bitcell_pending_txs": "pending",
    "bitcell_active_miners": "active",
    "bitcell_banned_miners": "banned",
}
BYTES_OF = {"bitcell_bytes_sent_total": "sent_bytes", "bitcell_bytes_received_total": "received_bytes"}

Key = tuple[str, tuple[tuple[str, str], ...]]
Values = dict[Key, "Floats"]


class Exposed:
    """Values of all metrics.

    Parameters
    ----------
    scenario : Scenario
        What ran.
    seed : int
        Its seed.
    tables : mapping of str to DataFrame
        Its tables.
    watched : Watched
        What was watched.
    exporters : Exporters
        How metrics are made.
    """

    def __init__(self, scenario: Scenario, seed: int, tables: Tables, watched: Watched, exporters: Exporters) -> None:
        self._scenario = scenario
        self._seed = seed
        self._tables = tables
        self._watched = watched
        self._exporters = exporters
        self._nodes = [node.id for node in scenario.deployment.node]
        self._regions = [region.name for region in scenario.deployment.region]
        self._boots_ns = [self._times(self._stage(node)) for node in self._nodes]
        self._losses = _losses(tables)

    # ------------------------------------------------------------------------------------------- who answers

    def node_state(self, node: str, at_ns: Ints) -> Flags:
        """State of a node's process at given moments: up, down or silent."""
        state: Flags = self._watched.seen["state"][self._look(at_ns), self._nodes.index(node)].astype(np.uint8)
        return state

    def service_state(self, service: str, region: str, at_ns: Ints) -> Flags:
        """State of a region's balancer, Prometheus or Alertmanager at given moments."""
        state = np.full(len(at_ns), UP, np.uint8)
        for kind, target, detail, start_ns, end_ns in self._losses:
            hit = target == region and (kind == "region-loss" or detail.startswith(service))
            if hit:
                inside = (at_ns >= start_ns) & (at_ns < end_ns)
                state[inside] = SILENT if kind == "region-loss" else DOWN
        return state

    def way(self, source_region: str, target: str) -> Way:
        """Path from a region's services to a node, or to the services of a region."""
        ends = [*self._nodes, *self._regions]
        source = len(self._nodes) + self._regions.index(source_region)
        return Way(source, ends.index(target), self._watched.paths, self._watched.links_at_ns, self._watched.links)

    # ------------------------------------------------------------------------------------------- what a node says

    def of_node(self, node: str, at_ns: Ints) -> Values:
        """Values of all metrics of a node at given moments; NaN where it has none.

        Parameters
        ----------
        node : str
            Its id.
        at_ns : ndarray of int64, shape (n,)
            When, nanoseconds, ascending.
        """
        place, look = self._nodes.index(node), self._look(at_ns)
        boot_ns = self._boot(place, at_ns)
        values: Values = {
            (name, ()): self._watched.seen[seen][look, place].astype(np.float64) for name, seen in GAUGE_OF.items()
        }
        for name, seen in BYTES_OF.items():
            column = self._watched.seen[seen][:, place]
            values[name, ()] = (column[look] - column[self._look(boot_ns)]).astype(np.float64)
        values |= self._work_of(node, at_ns, boot_ns)
        values |= self._pings_of(node, at_ns)
        return values

    def _work_of(self, node: str, at_ns: Ints, boot_ns: Ints) -> Values:
        """Transactions and proofs since the process started."""
        finals, blocks, proofs = (self._tables[name] for name in ("finals", "blocks", "proofs"))
        mine = finals[finals["node"] == node]
        sizes = blocks.set_index("block")["transaction_count"].reindex(mine["block"]).to_numpy(np.int64)
        done, killed = proofs[proofs["outcome"] == "done"], proofs[proofs["outcome"] == "killed"]
        own, others = done[done["node"] == node], done[done["node"] != node]
        ends = np.argsort(own["end_ms"].to_numpy(), kind="stable")
        times = self._times(own)[ends]
        seconds = ((own["end_ms"] - own["start_ms"]).to_numpy() / 1000.0)[ends]
        last = np.searchsorted(times, at_ns, side="right") - 1
        known = (last >= 0) & (times[last] > boot_ns if len(times) else False)
        latest = np.where(known, seconds[last] if len(times) else np.nan, np.nan)

        def since_start(frame: Any, weights: Ints | None = None) -> Floats:
            return _counted(self._times(frame), weights, at_ns) - _counted(self._times(frame), weights, boot_ns)

        return {
            ("bitcell_txs_processed_total", ()): since_start(mine, sizes),
            ("bitcell_proofs_generated_total", ()): since_start(own),
            ("bitcell_proofs_verified_total", ()): since_start(others),
            ("bitcell_proofs_failed_total", ()): since_start(killed[killed["node"] == node]),
            ("bitcell_proof_generation_seconds", ()): latest,
        }

    def _pings_of(self, node: str, at_ns: Ints) -> Values:
        """The last ping of every peer; NaN for one that does not answer."""
        place = self._nodes.index(node)
        interval_ns = seconds_to_ns(self._exporters.ping_interval_s)
        pings_ns = np.arange(0, int(self._watched.at_ns[-1]) + 1, interval_ns, dtype=np.int64)
        latest = np.clip(np.searchsorted(pings_ns, at_ns, side="right") - 1, 0, None)
        values: Values = {}
        for other, peer in enumerate(self._scenario.deployment.node):
            if other == place:
                continue
            way = Way(place, other, self._watched.paths, self._watched.links_at_ns, self._watched.links)
            rtt_ns, cut = round_trips_ns(stream_key(self._seed, "operations.ping", place, other), way, pings_ns)
            answered = ~cut & (self.node_state(peer.id, pings_ns) == UP)
            seconds = np.where(answered, rtt_ns / NS_PER_S, np.nan)
            values["bitcell_peer_rtt_seconds", (("peer", peer.id), ("peer_region", peer.region))] = seconds[latest]
        return values

    # ------------------------------------------------------------------------------------------- what a balancer says

    def of_balancer(self, region: str, at_ns: Ints) -> Values:
        """Values of all metrics of a region's balancer at given moments."""
        changes = self._tables["balancers"]
        mine = changes[changes["balancer"] == region]
        steps = np.where(mine["up"].to_numpy() == 1, 1, -1)
        servers = len(self._nodes) + _counted(self._times(mine), steps, at_ns)
        values: Values = {("haproxy_backend_active_servers", (("proxy", BACKEND),)): servers}
        restarts = [end for kind, target, _, _, end in self._losses if kind == "region-loss" and target == region]
        boot_ns = _latest(np.array(sorted(restarts), np.int64), at_ns)
        for code in CODES:
            answers = self._answers(region, code)
            counted = _counted(answers, None, at_ns) - _counted(answers, None, boot_ns)
            values["haproxy_frontend_http_responses_total", (("proxy", FRONTEND), ("code", code))] = counted
        return values

    def _answers(self, region: str, code: str) -> Ints:
        """When a balancer gave answers of a class, ascending."""
        transactions = self._tables["transactions"]
        served = self._served_by() == self._regions.index(region)
        wanted = transactions["request"].isin([name for name, status in STATUS_OF.items() if status == code])
        times = transactions["answered_ms"].to_numpy()[served & wanted.to_numpy()]
        return np.sort(np.rint(times * NS_PER_MS).astype(np.int64))

    def _served_by(self) -> Ints:
        """Region whose balancer each transaction came to; -1 for none. Kept: it is the same for all balancers."""
        known: Ints | None = getattr(self, "_served", None)
        if known is not None:
            return known
        transactions = self._tables["transactions"]
        home, deployment = homes(self._scenario.deployment), self._scenario.deployment
        usual = np.arange(len(self._regions)) if len(home) > 1 else np.full(len(self._regions), home[0])
        served = usual[transactions["client_region"].cat.codes.to_numpy()].astype(np.int64)
        submitted_ns = np.rint(transactions["submitted_ms"].to_numpy() * NS_PER_MS)
        moved_after_ns = seconds_to_ns(deployment.load_balancer.dns_failover_s)
        for kind, target, _, start_ns, end_ns in self._losses:
            if kind == "region-loss":
                lost = self._regions.index(target)
                hit = (served == lost) & (submitted_ns >= start_ns) & (submitted_ns < end_ns)
                served[hit & (submitted_ns < start_ns + moved_after_ns)] = -1
                served[hit & (served == lost)] = self._nearest(lost, home)
        self._served: Ints = served
        return served

    def _nearest(self, region: int, home: list[int]) -> int:
        """Region of the nearest other balancer; -1 without any."""
        count, base_ns = len(self._nodes), self._watched.paths.base_ns
        others = [other for other in home if other != region]
        return min(others, key=lambda other: int(base_ns[count + region, count + other]), default=-1)

    # ------------------------------------------------------------------------------------------- moments

    def _look(self, at_ns: Ints) -> Ints:
        """The last look before each moment."""
        return np.clip(np.searchsorted(self._watched.at_ns, at_ns, side="right") - 1, 0, None)

    def _boot(self, place: int, at_ns: Ints) -> Ints:
        """When the process that runs at each moment started; 0 for the first."""
        return _latest(self._boots_ns[place], at_ns)

    def _stage(self, node: str) -> Any:
        recoveries = self._tables["recoveries"]
        return recoveries[(recoveries["node"] == node) & (recoveries["stage"] == "process")]

    @staticmethod
    def _times(frame: Any) -> Ints:
        """Moment of each row, nanoseconds: when it ended, or happened."""
        column = "end_ms" if "end_ms" in frame.columns else "at_ms"
        times: Ints = np.rint(frame[column].to_numpy(np.float64) * NS_PER_MS).astype(np.int64)
        return times


def samples_at(values: Mapping[Key, Floats], place: int) -> list[Sample]:
    """The lines of one scrape: values at one of the moments, without those that are missing."""
    found = [Sample(name, labels, float(series[place])) for (name, labels), series in values.items()]
    return [sample for sample in found if not np.isnan(sample.value)]


def _counted(times_ns: Ints, weights: Ints | None, at_ns: Ints) -> Floats:
    """Sum of the weights, or number, of what happened up to each moment."""
    order = np.argsort(times_ns, kind="stable")
    sums = np.concatenate([[0], np.cumsum(np.ones(len(order), np.int64) if weights is None else weights[order])])
    return sums[np.searchsorted(times_ns[order], at_ns, side="right")].astype(np.float64)


def _latest(times_ns: Ints, at_ns: Ints) -> Ints:
    """The last of some ascending times up to each moment; 0 where there is none."""
    return np.concatenate([[0], times_ns])[np.searchsorted(times_ns, at_ns, side="right")].astype(np.int64)


def _losses(tables: Tables) -> list[tuple[str, str, str, int, int]]:
    """Losses of services: kind, region, detail, start and end in nanoseconds."""
    faults = tables["faults"]
    hits = faults[faults["kind"].isin(["region-loss", "monitoring-loss"])]
    starts, ends = (np.rint(hits[column].to_numpy() * NS_PER_MS).astype(np.int64) for column in ("start_ms", "end_ms"))
    texts = (hits[column].astype(str) for column in ("kind", "target", "detail"))
    return list(zip(*texts, starts.tolist(), ends.tolist(), strict=True))
