"""Parquet: what is read back is what the records say, and a column's type is what its values need."""

import io
from typing import Any

import pytest
from tests.support import results_samples as samples

from hawser.lab.report import parquet
from hawser.lab.report.parquet import NoPolarsError, schema_of, to_parquet


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([True, None, False], "Boolean"),
        ([1, None, -(2**63)], "Int64"),
        ([1, 2**63], "String"),
        ([1, 2.5], "Float64"),
        ([2.0, 3.0], "Float64"),
        ([1, True], "String"),
        (["a", 1, 2.5, True], "String"),
        ([None, None], "String"),
    ],
)
def test_the_type_of_a_column(values: list[Any], kind: str):
    assert schema_of([{"x": value} for value in values]) == {"x": kind}


def test_columns_come_as_records_have_them():
    assert list(schema_of([{"b": 1}, {"a": 1, "b": 2}, {"c": 1}])) == ["b", "a", "c"]


def test_what_is_written_is_read_back():
    polars = pytest.importorskip("polars", reason="polars is an extra: hawser[lab]")
    records = samples.gray_failure()["records"]
    frame = polars.read_parquet(io.BytesIO(to_parquet(records)))
    assert frame.to_dicts() == records
    assert [str(kind) for kind in frame.dtypes] == ["String", "Int64", "Float64", "Boolean", "Int64"]


def test_what_is_missing_or_mixed_is_read_back():
    polars = pytest.importorskip("polars", reason="polars is an extra: hawser[lab]")
    records: list[dict[str, Any]] = [{"a": 1, "b": "x"}, {"a": 2.5, "b": 3, "c": True}, {"b": True, "d": 2**70}]
    frame = polars.read_parquet(io.BytesIO(to_parquet(records)))
    assert frame.to_dicts() == [
        {"a": 1.0, "b": "x", "c": None, "d": None},
        {"a": 2.5, "b": "3", "c": True, "d": None},
        {"a": None, "b": "true", "c": None, "d": str(2**70)},
    ]


def test_the_same_records_give_the_same_bytes():
    pytest.importorskip("polars", reason="polars is an extra: hawser[lab]")
    records = samples.gray_failure()["records"]
    assert to_parquet(records) == to_parquet(records)


def test_without_polars_that_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    with pytest.raises(NoPolarsError):
        parquet.to_parquet([{"a": 1}])
