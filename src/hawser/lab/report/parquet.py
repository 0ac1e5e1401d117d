"""Parquet: the records of an experiment as a table for other programs.

Each experiment has a file of its own, since experiments share hardly a column: in one table a row would be empty but for a few
cells, and the type of a column would depend on which other experiments were run with it. So it depends on nothing but the
experiment's own records:

    only true and false             Boolean
    only whole numbers              Int64 (String if one of them needs more bits)
    only numbers                    Float64
    anything else, or nothing       String (numbers and truth values as in JSON)

Columns come in the order in which records have them; what a record does not have is null. polars, which writes them, is wanted by
the extra `lab`; without it there is no Parquet.
"""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hawser.lab.report.results import Cell

INT64_MAX: Final = 2**63 - 1

BOOLEAN: Final = "Boolean"
INT: Final = "Int64"
FLOAT: Final = "Float64"
STRING: Final = "String"

Records = Sequence[Mapping[str, Cell]]


class NoPolarsError(Exception):
    """polars is not installed, or cannot run here."""


def to_parquet(records: Records) -> bytes:
    """The file. NoPolarsError."""
    try:
        import polars
    except ImportError as error:
        raise NoPolarsError(str(error)) from None
    types = schema_of(records)
    columns = {name: [_as(record.get(name), kind) for record in records] for name, kind in types.items()}
    schema = {name: getattr(polars, kind) for name, kind in types.items()}
    file = io.BytesIO()
    polars.DataFrame(columns, schema=schema, strict=True).write_parquet(file, compression="zstd", statistics=True)
    return file.getvalue()


def schema_of(records: Records) -> dict[str, str]:
    """The columns in their order, and the type of each."""
    columns = dict.fromkeys(name for record in records for name in record)
    return {name: _type_of([record.get(name) for record in records]) for name in columns}


def _type_of(values: Sequence[Cell]) -> str:
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, bool) for value in known):
        return BOOLEAN
    if not known or any(isinstance(value, bool | str) for value in known):
        return STRING
    if any(isinstance(value, float) for value in known):
        return FLOAT
    return INT if all(-INT64_MAX - 1 <= int(value) <= INT64_MAX for value in known) else STRING


def _as(value: Cell, kind: str) -> Any:
    if value is None:
        return None
    if kind == STRING and not isinstance(value, str):
        return json.dumps(value)
    return float(value) if kind == FLOAT else value
