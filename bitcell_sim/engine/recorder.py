"""Records in, tables out: one table a kind of record, columns as people read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, get_type_hints

import numpy as np

from bitcell_sim.chain.records import (
    AdoptionRecord,
    BattleRecord,
    EvidenceRecord,
    FinalRecord,
    RecoveryRecord,
    RoundRecord,
    TrustRecord,
    VoteRecord,
)
from bitcell_sim.engine.events import MessageRecord, ProofOfBlock, SampleRecord
from bitcell_sim.faults.injector import FaultRecord, FaultStepRecord
from bitcell_sim.operations.load_balancer import BalancerRecord
from bitcell_sim.units import NS_PER_MS

if TYPE_CHECKING:
    import pandas as pd

TABLES: dict[type, str] = {
    BattleRecord: "battles",
    RoundRecord: "rounds",
    AdoptionRecord: "adoptions",
    FinalRecord: "finals",
    VoteRecord: "votes",
    EvidenceRecord: "evidence",
    TrustRecord: "trust",
    RecoveryRecord: "recoveries",
    BalancerRecord: "balancers",
    FaultRecord: "faults",
    FaultStepRecord: "fault_steps",
    SampleRecord: "samples",
    MessageRecord: "messages",
    ProofOfBlock: "proofs",
}
NODE_COLUMNS = frozenset({"node", "builder", "winner", "miner_a", "miner_b", "origin", "offender"})
REGION_COLUMNS = frozenset({"balancer", "client_region", "farm"})
ENDPOINT_COLUMNS = frozenset({"source", "target_node"})


def to_ms(times_ns: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Milliseconds, NaN for what never happened (negative)."""
    values = times_ns / NS_PER_MS
    values[times_ns < 0] = np.nan
    return values


def named(codes: np.ndarray[Any, Any], names: list[str]) -> pd.Categorical:
    """Names for indices; missing where the index is negative."""
    import pandas as pd

    return pd.Categorical.from_codes(np.asarray(codes, np.int64), categories=pd.Index(names, dtype="str"))


class Recorder:
    """Keeps the records of one run.

    Parameters
    ----------
    node_names, region_names : list of str
        In the order of their indices.
    farm_names : sequence of str
        Of the regions' farms, in the order of the regions; none where there are none.
    """

    def __init__(self, node_names: list[str], region_names: list[str], farm_names: Sequence[str] = ()) -> None:
        self._node_names = node_names
        self._region_names = region_names
        self._endpoint_names = [*node_names, *farm_names]
        self._records: dict[type, list[Any]] = {kind: [] for kind in TABLES}
        self._append: dict[type, Callable[[Any], None]] = {kind: rows.append for kind, rows in self._records.items()}

    def __call__(self, record: Any) -> None:
        """Keep one record."""
        self._append[type(record)](record)

    def records(self, kind: type) -> list[Any]:
        """All records of a kind, in the order they came."""
        return self._records[kind]

    def tables(self) -> dict[str, pd.DataFrame]:
        """One frame a kind; times in milliseconds, nodes and regions by name."""
        import pandas as pd

        frames = {}
        for kind, name in TABLES.items():
            rows = self._records[kind]
            types = get_type_hints(kind)
            by_column = zip(*rows, strict=True) if rows else [()] * len(types)
            columns: dict[str, Any] = {}
            for (column, of), values in zip(types.items(), by_column, strict=True):
                columns.update(self._column(column, of, values))
            frames[name] = pd.DataFrame(columns, copy=False)
        return frames

    def _column(self, name: str, kind: type, values: Sequence[Any]) -> dict[str, Any]:
        import pandas as pd

        if name.endswith("_ns"):
            return {name[:-3] + "_ms": to_ms(np.array(values, np.int64))}
        if name in NODE_COLUMNS:
            return {name: named(np.array(values, np.int64), self._node_names)}
        if name in ENDPOINT_COLUMNS:
            return {name.removeprefix("target_"): named(np.array(values, np.int64), self._endpoint_names)}
        if name in REGION_COLUMNS:
            return {name: named(np.array(values, np.int64), self._region_names)}
        if kind is str:
            return {name: pd.Series(values, dtype="str")}
        return {name: np.array(values, np.float64 if kind is float else np.int64)}
