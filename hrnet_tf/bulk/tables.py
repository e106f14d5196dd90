"""Plain types of columns to Arrow's, and rows to Parquet files, a few at a time."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from hrnet_tf.tasks.base.columns import Columns

TYPES = {
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
}
IMAGE = {"path": "string", "width": "int32", "height": "int32"}
ERROR = {"error": "string"}

TOGETHER = 1 << 25  # bytes that are kept before they are written


def as_entries(found: list[dict[str, Any]]) -> dict[str, str]:
    """What a viewer without columns has noted."""
    return {"answer": json.dumps(found)}


ENTRIES = Columns({"answer": "string"}, as_entries)


def arrow_type(told: Any) -> pa.DataType:
    """A type of `Columns.types` as Arrow's."""
    if isinstance(told, str):
        return TYPES[told]
    if isinstance(told, list):
        return pa.list_(arrow_type(told[0]))
    return pa.struct([pa.field(name, arrow_type(own)) for name, own in told.items()])


def schema_of(columns: Columns) -> pa.Schema:
    """Of the rows: the image, the task's columns, and what was wrong."""
    types: Mapping[str, Any] = {**IMAGE, **columns.types, **ERROR}
    return pa.schema([pa.field(name, arrow_type(own)) for name, own in types.items()])


class Rows:
    """A Parquet file that is written row by row, with little kept in memory.

    Args:
        path: of the file.
        columns: of the task.
    """

    def __init__(self, path: Path, columns: Columns):
        self.schema = schema_of(columns)
        self._writer = parquet.ParquetWriter(path, self.schema, compression="zstd")
        self._tables: list[pa.Table] = []
        self._size = 0

    def add(self, rows: list[dict[str, Any]]) -> None:
        """Add rows, each with values by the names of columns; what lacks is null."""
        table = pa.Table.from_pylist(rows, schema=self.schema)
        self._tables.append(table)
        self._size += table.nbytes
        if self._size > TOGETHER:
            self._flush()

    def _flush(self) -> None:
        if self._tables:
            self._writer.write_table(pa.concat_tables(self._tables))
        self._tables, self._size = [], 0

    def __enter__(self) -> "Rows":
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None:
            self._flush()
        self._writer.close()
