"""What is read, and what is refused, with the place where it is wrong."""

import json
from dataclasses import replace
from math import inf, isnan, nan
from pathlib import Path
from typing import Any

import pytest
from tests.support import results_samples as samples

from hawser.lab.experiments.base import DERIVED, Claim, Curve, Experiment, Findings, Series, Span, Table
from hawser.lab.experiments.results import as_data, dumps, whole
from hawser.lab.report.results import Results, ResultsError, load


def loaded(directory: Path, *experiments: dict[str, Any]) -> Results:
    return load(samples.write(directory, *experiments))


def test_everything_is_read(tmp_path: Path):
    results = loaded(tmp_path)
    gray, modes = results.experiments
    assert (gray.name, modes.name, results.versions) == ("gray-failure", "modes", ["0.1.0"])
    assert (results.claims, results.failing) == (4, 1)
    assert [claim.text for claim in modes.failing] == ["bio-based sends 4 KiB commands"]
    assert gray.parameters["fixed_us"] == 100
    assert isinstance(gray.parameters["mb_per_s"], float)
    assert gray.records[0] == samples.gray_failure()["records"][0]


def test_what_is_no_number_is_nan(tmp_path: Path):
    curve = loaded(tmp_path).experiments[0].curves[1].curve()
    gaps = [number for number, y in enumerate(curve.series[0].ys) if isnan(y)]
    assert gaps == list(range(88, 96))
    assert curve.spans[0].end == float("inf")


def test_folders_below_come_after_by_name(tmp_path: Path):
    samples.write(tmp_path, samples.experiment("own"))
    samples.write(tmp_path / "b", samples.experiment("sweep"))
    samples.write(tmp_path / "a", samples.experiment("comparison"))
    (tmp_path / "figures").mkdir()
    found = [(one.folder, one.name) for one in load(tmp_path).experiments]
    assert found == [("", "own"), ("a", "comparison"), ("b", "sweep")]


def test_a_later_version_may_say_more(tmp_path: Path):
    more = samples.results(samples.experiment("x", seconds=3)) | {"seeds": 8}
    (tmp_path / "results.json").write_text(json.dumps(more))
    assert load(tmp_path).experiments[0].name == "x"


def broken(**more: Any) -> dict[str, Any]:
    return samples.experiment("x") | more


@pytest.mark.parametrize(
    ("experiment", "wrong"),
    [
        (broken(name=""), "Expected `str` of length >= 1 - at `$.experiments[0].name`"),
        (
            broken(claims=[samples.claim("c", 1, "1", True, kind="guessed")]),
            "kind 'guessed' is none of fitted, predicted",
        ),
        (broken(claims=[samples.claim("c", 1, "1", "yes")]), "at `$.experiments[0].claims[0].holds`"),  # type: ignore[arg-type]
        (
            broken(tables=[{"title": "t", "columns": ["a", "b"], "rows": [[1, 2], [3]]}]),
            "row 2 has 1 cells under 2 columns",
        ),
        (
            broken(curves=[samples.curve("c", "x", "y", [samples.series("s", [1, 2], [1.0])])]),
            "series 's': 1 ys for 2 xs",
        ),
        (broken(curves=[samples.curve("c", "x", "y", [], kind="pie")]), "kind 'pie' is neither line nor bar"),
        (broken(records=[{"a": [1]}]), "at `$.experiments[0].records[0][...]`"),
    ],
)
def test_a_wrong_shape_is_refused_where_it_is_wrong(experiment: dict[str, Any], wrong: str, tmp_path: Path):
    with pytest.raises(ResultsError) as error:
        loaded(tmp_path, experiment)
    assert wrong in str(error.value)
    assert str(error.value).startswith(f"{tmp_path}/results.json: not the results of experiments: ")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "no JSON, or only a part of it"),
        (json.dumps(samples.results())[:-20], "no JSON, or only a part of it"),
        ('{"hawser": "0.1.0", "experiments": [{"name": "x", "title": NaN}]}', "no JSON, or only a part of it"),
        ("[]", "not the results of experiments: Expected `object`, got `array`"),
        ('{"rounds": 5}', "not the results of experiments: Object missing required field `hawser`"),
        ('{"hawser": "0.1.0", "experiments": []}', "no experiment in it"),
    ],
)
def test_a_broken_file_is_refused(text: str, wrong: str, tmp_path: Path):
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(ResultsError, match=r"results\.json: ") as error:
        load(tmp_path)
    assert wrong in str(error.value)


def test_a_directory_without_results_is_refused(tmp_path: Path):
    with pytest.raises(ResultsError, match=r"no results\.json in it: `hawser lab run"):
        load(tmp_path)
    with pytest.raises(ResultsError, match="want a directory that"):
        load(tmp_path / "nowhere")
    (tmp_path / "results.json").mkdir()
    with pytest.raises(ResultsError, match="Is a directory"):
        load(tmp_path)


def test_what_experiments_write_is_read(tmp_path: Path):
    """Whatever is no number, too: a gap in a line, a fault without an end."""

    class Odd(Experiment):
        name, title, parameters = "odd", "an odd one", {"k": 0.5, "seeds": 4, "mode": "rq"}

    found = Findings(
        tables=[Table("t", ("a", "b"), [("x", 2.0)])],
        claims=[Claim("c", DERIVED, nan, None, 3.0, "nobody")],
        limits=["beyond"],
        curves=[Curve("c", "x", "y", [Series("s", [1, 2], [nan, 4.0])], spans=[Span(1.0, inf, "a fault")])],
        records=[{"seed": 1, "p99_us": 2.0, "cell": "a", "good": True}],
    )
    (tmp_path / "results.json").write_text(dumps(whole([as_data(Odd(), found)])))
    (odd,) = load(tmp_path).experiments
    assert odd.claims[0].measured is None
    assert (odd.claims[0].holds, odd.claims[0].wanted) == (False, "at most 3")
    assert repr(odd.curves[0].curve()) == repr(replace(found.curves[0], spans=list(found.curves[0].spans)))
    assert (odd.parameters, odd.records) == (Odd.parameters, found.records)
    assert odd.tables[0].rows == [["x", 2.0]]
