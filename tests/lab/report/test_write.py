"""Written whole or not at all, and the same results give the same files."""

from pathlib import Path

import pytest
from tests.support import results_samples as samples
from tests.support.html_tree import parse

from hawser.lab.experiments.base import Curve
from hawser.lab.report import parquet, write
from hawser.lab.report.figures import Drawn
from hawser.lab.report.results import ResultsError
from hawser.lab.report.write import NO_PARQUET, write_report


def small() -> list[dict]:
    return [
        samples.experiment(
            "one", title="a small one", curves=[samples.sizes(), samples.sizes()], records=[{"seed": 1, "p99_us": 2.5}]
        ),
        samples.experiment("two", claims=[samples.claim("c", 1.0, "2", False)]),
    ]


def content(directory: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(directory)): file.read_bytes() for file in sorted(directory.rglob("*")) if file.is_file()
    }


def quick(work: list[tuple[Curve, str]]) -> list[Drawn]:
    """What figures look like is tested elsewhere."""
    ends = (".svg", ".png", "-dark.svg", "-dark.png")
    return [
        Drawn({end: f"{curve.title}{end}".encode() for end in ends}, f'<svg role="img" id="{prefix}"></svg>')
        for curve, prefix in work
    ]


@pytest.fixture
def no_polars(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(records: object) -> bytes:
        raise parquet.NoPolarsError

    monkeypatch.setattr(write, "to_parquet", none)


@pytest.fixture
def with_polars(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is there or not: what Parquet holds is tested elsewhere."""
    monkeypatch.setattr(write, "to_parquet", lambda records: repr(records).encode())


@pytest.mark.usefixtures("with_polars")
def test_a_report_is_a_page_figures_and_tables(tmp_path: Path):
    directory = samples.write(tmp_path / "results", *small())
    report = write_report(directory, quick)
    figures = [
        f"figures/one--sizes-of-the-commands{number}{end}"
        for number in ("", "-2")
        for end in (".png", ".svg", "-dark.png", "-dark.svg")
    ]
    assert [*content(directory)] == sorted([*figures, "records/one.parquet", "report.html", "results.json"])
    assert (report.figures, report.tables, report.notes) == (2, 1, [])
    tree = parse((directory / "report.html").read_text())
    assert len(tree.all("svg", role="img")) == 2
    links = [link.attributes["href"] for link in tree.all("a") if "/" in link.attributes["href"]]
    assert sorted(links) == sorted([*figures, "records/one.parquet"])


@pytest.mark.usefixtures("with_polars")
def test_the_same_results_give_the_same_files(tmp_path: Path):
    pytest.importorskip("matplotlib", reason="matplotlib is an extra: hawser[lab]")
    one = samples.experiment("one", curves=[samples.sizes()], records=[{"a": 1}])
    first, second = (samples.write(tmp_path / name, one) for name in ("a", "b"))
    for directory in (first, second, first):
        write_report(directory)
    assert content(first) == content(second)


@pytest.mark.usefixtures("no_polars")
def test_without_polars_there_is_a_report_that_says_so(tmp_path: Path):
    directory = samples.write(tmp_path, *small())
    report = write_report(directory, quick)
    assert (report.tables, report.notes) == (0, [NO_PARQUET])
    tree = parse((directory / "report.html").read_text())
    assert NO_PARQUET in tree.one("footer").text()
    assert not [link for link in tree.all("a") if "records/" in link.attributes["href"]]
    assert not (directory / "records").exists()


@pytest.mark.usefixtures("with_polars")
def test_what_only_the_report_before_had_is_taken_away(tmp_path: Path):
    directory = samples.write(tmp_path, *small())
    write_report(directory, quick)
    (tmp_path / "figures" / "mine.svg").write_text("<svg/>")
    samples.write(tmp_path, samples.experiment("other", curves=[samples.sizes()]))
    write_report(directory, quick)
    ends = (".png", ".svg", "-dark.png", "-dark.svg")
    assert sorted(file.name for file in (tmp_path / "figures").iterdir()) == sorted(
        ["mine.svg", *(f"other--sizes-of-the-commands{end}" for end in ends)]
    )
    assert not list((tmp_path / "records").iterdir())


@pytest.mark.usefixtures("with_polars")
@pytest.mark.parametrize("in_the_way", ["figures", "records", "report.html", "figures/one--sizes-of-the-commands.svg"])
def test_what_cannot_be_written_leaves_all_as_it_was(in_the_way: str, tmp_path: Path):
    directory = samples.write(tmp_path, *small())
    obstacle = directory / in_the_way
    if "." in in_the_way:
        obstacle.mkdir(parents=True)
    else:
        obstacle.write_text("")
    before = content(directory)
    with pytest.raises(ResultsError, match=f"{in_the_way}: want a"):
        write_report(directory, quick)
    assert content(directory) == before
    assert not [file for file in directory.iterdir() if file.name.startswith(".")]


def test_a_failure_on_the_way_leaves_the_report_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    directory = samples.write(tmp_path, samples.experiment("x"))
    write_report(directory, quick)
    before = content(directory)

    def full(*words: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write, "page", full)
    with pytest.raises(OSError, match="No space"):
        write_report(directory, quick)
    assert content(directory) == before
