"""Tables to Parquet and back, equal to the last bit: categories too, even those that no row uses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitcell_sim.errors import RunStoreError
from bitcell_sim.runs.migrations import migrate

if TYPE_CHECKING:
    import pandas as pd

SUFFIX = ".parquet"
_CATEGORIES = b"bitcell_sim.categories"


def table_bytes(frame: pd.DataFrame) -> bytes:
    """Parquet file of a table, compressed with zstd; equal tables give equal bytes.

    Parameters
    ----------
    frame : DataFrame
        Columns of whole numbers, floats, text or categories of text; its index is not kept.

    Notes
    -----
    What never happened (NaN in a frame) is NULL in the file, so that averages pass it over. Categories stand in the
    file's metadata as well: Parquet's dictionary pages do not keep those of an empty table.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns, fields, categories = [], [], {}
    for name in frame.columns:
        values = frame[name]
        kind = _arrow_type(values)
        if values.dtype.name == "category":
            categories[name] = [str(category) for category in values.cat.categories]
        columns.append(pa.array(values, type=kind, from_pandas=True))
        fields.append(pa.field(name, kind))
    schema = pa.schema(fields, metadata={_CATEGORIES: json.dumps(categories).encode()})
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def _arrow_type(values: pd.Series[Any]) -> Any:
    import pyarrow as pa

    if values.dtype.name == "category":
        return pa.dictionary(pa.int32(), pa.string())
    if values.dtype.kind in "iufb":
        return pa.from_numpy_dtype(values.dtype)
    return pa.string()


def read_table(path: Path, sha256: str) -> pd.DataFrame:
    """Table of a Parquet file as it was stored.

    Parameters
    ----------
    path : Path
        File that :func:`table_bytes` made.
    sha256 : str
        Hash of the file, hexadecimal.

    Raises
    ------
    RunStoreError
        If it is missing or damaged.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ValueError("its SHA-256 is not the one in the manifest")
        table = pq.read_table(pa.BufferReader(content))
        categories = json.loads((table.schema.metadata or {}).get(_CATEGORIES, b"{}"))
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
        for name, names in categories.items():
            frame[name] = frame[name].cat.set_categories(pd.Index(names, dtype="str"))
    except FileNotFoundError as error:
        raise RunStoreError(f"{path}: this table is missing from the run") from error
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise RunStoreError(f"{path}: this table cannot be read, the file is damaged: {error}") from error
    return frame


class StoredTables(Mapping[str, "pd.DataFrame"]):
    """Tables of a run folder, each read when it is first asked for.

    Parameters
    ----------
    folder : Path
        The run folder.
    hashes : mapping of str to str
        SHA-256 of the file of each table of the run.
    version : int
        Version they were stored in.
    """

    def __init__(self, folder: Path, hashes: Mapping[str, str], version: int) -> None:
        self._folder = folder
        self._hashes = hashes
        self._version = version
        self._read: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        sha256 = self._hashes[name]
        if name not in self._read:
            self._read[name] = migrate(name, read_table(self._folder / (name + SUFFIX), sha256), self._version)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._hashes)

    def __len__(self) -> int:
        return len(self._hashes)

    def __repr__(self) -> str:
        return f"StoredTables({str(self._folder)!r}: {', '.join(self._hashes)})"
