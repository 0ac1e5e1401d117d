"""`hawser lab report` as people run it: what it prints, and what its status says."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.support import results_samples as samples
from tests.support.html_tree import parse

from hawser.cli import lab_report
from hawser.cli.main import main


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["lab", "report", *words])


def test_a_report_is_made_and_what_fails_is_said(tmp_path: Path):
    pytest.importorskip("matplotlib", reason="matplotlib is an extra: hawser[lab]")
    samples.write(tmp_path, samples.experiment("x", curves=[samples.sizes()]), samples.modes() | {"curves": []})
    done = run(str(tmp_path))
    assert done.exit_code == 0, done.output
    assert done.stdout == (
        f"{tmp_path}/report.html: 2 experiments, 1 figure, 0 Parquet files\n1 of 2 claims DO NOT HOLD\n"
    )
    assert (tmp_path / "report.html").exists()


@pytest.mark.soak
def test_several_processes_draw_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("matplotlib", reason="matplotlib is an extra: hawser[lab]")
    monkeypatch.setattr(lab_report, "POOL_FROM", 2)
    one = samples.experiment("x", curves=[samples.sizes(), samples.sweep()])
    pages = []
    for jobs in ("1", "2"):
        directory = samples.write(tmp_path / jobs, one)
        assert run(str(directory), "--jobs", jobs).exit_code == 0
        pages.append({file.name: file.read_bytes() for file in directory.rglob("*.*")})
    assert len(pages[0]) == 10
    assert pages[0] == pages[1]


def test_without_figures_nothing_else_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("matplotlib", "polars"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    samples.write(tmp_path, samples.experiment("x", records=[{"a": 1}]))
    done = run(str(tmp_path))
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{tmp_path}/report.html: 1 experiment, 0 figures, 0 Parquet files\n"
    assert "There are no Parquet files" in done.stderr
    samples.write(tmp_path, samples.experiment("x", curves=[samples.sizes()]))
    before = (tmp_path / "report.html").read_bytes()
    failed = run(str(tmp_path))
    assert failed.exit_code == 2
    assert failed.stderr == "hawser lab report: figures need matplotlib: pip install 'hawser[lab]'\n"
    assert (tmp_path / "report.html").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (None, "no results.json in it"),
        ('{"hawser": "0.1.0", "exp', "this is no JSON, or only a part of it"),
        ('{"seeds": 4}', "not the results of experiments"),
    ],
)
def test_what_is_no_result_is_refused(text: str | None, wrong: str, tmp_path: Path):
    if text is not None:
        (tmp_path / "results.json").write_text(text)
    done = run(str(tmp_path))
    assert done.exit_code == 2
    assert done.stderr.startswith(f"hawser lab report: {tmp_path}")
    assert wrong in done.stderr
    assert not (tmp_path / "report.html").exists()


def test_a_directory_that_is_none_is_refused(tmp_path: Path):
    assert run(str(tmp_path / "nowhere")).exit_code == 2
    samples.write(tmp_path / "dir", samples.experiment("x"))
    assert run(str(tmp_path / "dir" / "results.json")).exit_code == 2


def test_where_nothing_can_be_written_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    samples.write(tmp_path, samples.experiment("x"))

    def refused(self: Path, *words: object, **more: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refused)
    done = run(str(tmp_path))
    assert done.exit_code == 2
    assert done.stderr.startswith(f"hawser lab report: {tmp_path}/.report-")
    assert done.stderr.endswith(": Permission denied\n")


OWN = '''
"""An experiment of one's own: a path that becomes slow."""

from hawser.lab.experiments.base import DERIVED, Claim, Experiment, Findings
from hawser.lab.experiments.outcome_curves import fault_spans, latency_over_time, shares
from hawser.lab.model.play import play
from hawser.lab.model.scenario import SLOW, Fault, LoadModel, PathModel, Scenario


class Slow(Experiment):
    name = "slow"
    title = "One of two paths is slow for a while"
    hypothesis = "queue-length leaves most I/O to the other one"
    model = "two paths, 100 us and 400 MB/s each; 20 times as slow from 40 ms to 80 ms"
    source = "a test"

    def run(self, progress=None):
        scenario = Scenario(seconds=0.1, warm_up_s=0.01, window_ms=10, paths=[PathModel(), PathModel()])
        scenario.loads = [LoadModel(depth=4)]
        scenario.faults = [Fault(40_000_000, SLOW, [0], 40_000_000, factor=20)]
        scenario.map.selector = "queue-length 0"
        runs = {"queue-length": [play(scenario, seed) for seed in (1, 2)]}
        share = runs["queue-length"][0]["paths"][0]["share"]
        return Findings(
            claims=[Claim("p0 has less than half", DERIVED, share, None, 0.5, "arithmetic")],
            curves=[latency_over_time(runs, spans=fault_spans(scenario)), shares(runs)],
            records=[{"seed": one["seed"], "share": one["paths"][0]["share"]} for one in runs["queue-length"]],
        )
'''


def test_from_an_experiment_of_ones_own_to_its_page(tmp_path: Path):
    pytest.importorskip("matplotlib", reason="matplotlib is an extra: hawser[lab]")
    (tmp_path / "own.py").write_text(OWN)
    ran = CliRunner().invoke(main, ["lab", "run", str(tmp_path / "own.py"), "--into", str(tmp_path / "found")])
    assert ran.exit_code == 0, ran.output
    done = run(str(tmp_path / "found"))
    assert done.exit_code == 0, done.output
    article = parse((tmp_path / "found" / "report.html").read_text()).one("article", id="slow")
    assert [one.text() for one in article.all("figcaption")] == [
        "Latency over time (p99)",
        "Shares of the paths (commands)",
    ]
    assert "p0: 20 times as slow" in [one.text() for one in article.all("text")]
    assert [one.text() for one in article.all("summary")][-1] == "2 records"
