"""`hawser lab sweep --dask`: a cluster plays what processes play, to the last bit; and what is said when it cannot."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.support.dask_cluster import DaskCluster, python_path, without_progress
from tests.support.toy_play import HANGS, RAISES

from hawser.cli.lab_sweep import Wish, run_sweep
from hawser.cli.lab_sweep_store import JOBS
from hawser.lab.model.jobs import PLAY

pytestmark = [
    # It is imported by processes of its own alone: not at every collection.
    pytest.mark.skipif(
        find_spec("distributed") is None, reason="dask.distributed is not installed (extras sweep, test)"
    ),
]

TOY = "tests.support.toy_play:play"
TWELVE = """
name = "twelve"
seconds = 5
seeds = 3
[over]
selector = ["service-time 0", "queue-length 0"]
depth = [1, 8]
"""
# Faults and luck of every kind that a play has.
REAL = """
name = "two-hundred"
seconds = 0.06
warm-up = 0.01
window-ms = 5
seeds = 25
[array]
spread = "heavy"
[[load]]
depth = 4
write-percent = 30
[[load]]
name = "open"
rate = 5000
size = ["4k", "64k"]
[[fault]]
kind = "gray"
path = 1
at = 0.02
for = 0.02
percent = 10
ms = 3
[over]
selector = ["service-time 0", "historical-service-time 0"]
mode = ["rq", "bio"]
load.0.depth = [2, 8]
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    with DaskCluster(tmp_path_factory.mktemp("dask")) as made:
        made.start_worker()
        made.start_worker()
        yield made


def on_cluster(
    address: str, file: Path, into: str | Path, *over: str, play: str = TOY, retries: int = 0
) -> subprocess.CompletedProcess[str]:
    """In a process of its own: what Dask imports, and leaves behind, is not this one's."""
    wish = Wish(str(file), over, None, None, address, str(into), retries, 60.0, play)
    script = f"import sys\nfrom hawser.cli.lab_sweep import Wish, run_sweep\nsys.exit(run_sweep({wish!r}))\n"
    words = [sys.executable, "-c", script]
    environment = {**os.environ, "PYTHONPATH": python_path()}
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300, check=False)


def here(file: Path, into: Path, *over: str, play: str = TOY) -> int:
    return run_sweep(Wish(str(file), over, None, 2, "", str(into), 0, 60.0, play))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def write(folder: Path, text: str) -> Path:
    file = folder / "sweep.toml"
    file.write_text(text)
    return file


def test_a_cluster_of_two_workers_comes_to_the_same(cluster: DaskCluster, tmp_path: Path, capsys):
    """Of twelve jobs that are good, and of twelve of which four fail, with the same words and after being played again."""
    file = write(tmp_path, TWELVE)
    words = (f"write-percent=0,{RAISES}",)
    done = on_cluster(cluster.address, file, tmp_path / "dask", *words, retries=1)
    assert done.returncode == here(file, tmp_path / "processes", *words) == 1
    printed, error = map(without_progress, capsys.readouterr())
    assert without_progress(done.stderr) == error
    assert done.stdout == printed.replace(str(tmp_path / "processes"), str(tmp_path / "dask"))
    assert error.startswith("4 jobs failed:\n")
    assert contents(tmp_path / "dask") == contents(tmp_path / "processes")
    assert (tmp_path / "dask" / JOBS).read_bytes().count(b"\n") == 1 + 12 + 8


def test_another_hawser_on_a_worker_is_refused(cluster: DaskCluster, tmp_path: Path):
    other = tmp_path / "other" / "hawser"
    (other / "cli").mkdir(parents=True)
    (other / "__init__.py").write_text("")
    (other / "cli" / "__init__.py").write_text("")
    (other / "cli" / "lab_identity.py").write_text('def identity() -> str:\n    return "0.0.9 (old)"\n')
    file = write(tmp_path, TWELVE)
    worker = cluster.start_worker(other.parent)
    try:
        cluster.await_workers(3)
        done = on_cluster(cluster.address, file, "")
    finally:
        cluster.stop(worker)
    assert done.returncode == 1
    assert done.stderr.startswith(f"hawser lab sweep: --dask {cluster.address}: worker tcp://127.0.0.1:")
    assert " has hawser 0.0.9 (old); this is " in done.stderr


def test_nobody_at_the_address_is_said_within_a_limit():
    script = (
        "from hawser.cli.lab_dask import Cluster, ClusterError\n"
        "try:\n    Cluster('tcp://127.0.0.1:1', patience_s=0.5)\n"
        "except ClusterError as error:\n    print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": python_path()}
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=50, check=True)
    assert done.stdout.startswith("--dask tcp://127.0.0.1:1: no scheduler of Dask answers there within 0.5 s (")
    assert done.stdout.endswith("): want its address, as in tcp://host:8786\n")


@pytest.mark.soak
@pytest.mark.parametrize("what", ["scheduler", "worker"])
def test_a_cluster_that_goes_away_is_said_to(tmp_path: Path, what: str):
    file = write(tmp_path, TWELVE)
    into = tmp_path / "dask"
    words = (f"write-percent=0,{HANGS}", "depth=1", "selector=service-time 0")
    script = (
        "import sys\nfrom hawser.cli import lab_dask\nlab_dask.Cluster.__init__.__defaults__ = (600.0, 5.0)\n"
        "from hawser.cli.lab_sweep import Wish, run_sweep\n"
        f"sys.exit(run_sweep(Wish({str(file)!r}, {words!r}, None, None, sys.argv[1], {str(into)!r}, 0, 60.0, {TOY!r})))\n"
    )
    with DaskCluster(tmp_path) as cluster:
        worker = cluster.start_worker()
        environment = {**os.environ, "PYTHONPATH": python_path()}
        command = [sys.executable, "-c", script, cluster.address]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as sweep:
            try:
                _await_lines(into / JOBS, 5, sweep)
                cluster.stop(worker if what == "worker" else cluster.processes[0])
                _, error = sweep.communicate(timeout=50)
            finally:
                sweep.kill()
    assert sweep.returncode == 1
    said = "no worker is left" if what == "worker" else "the scheduler is gone"
    assert without_progress(error) == (
        f"hawser lab sweep: --dask {cluster.address}: {said}; what was done is kept, with --into: the same command goes on\n"
    )


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_two_hundred_jobs_are_bit_equal_on_processes_and_on_a_cluster(tmp_path: Path):
    file = write(tmp_path, REAL)
    assert here(file, tmp_path / "processes", play=PLAY) == 0
    with DaskCluster(tmp_path) as cluster:
        cluster.start_worker()
        cluster.start_worker()
        done = on_cluster(cluster.address, file, tmp_path / "dask", play=PLAY)
    assert done.returncode == 0, done.stderr
    assert "two-hundred: 200 jobs, 8 combinations of 25 seeds\n" in done.stdout
    assert (tmp_path / "dask" / JOBS).read_bytes().count(b"\n") == 201
    assert contents(tmp_path / "dask") == contents(tmp_path / "processes")


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_worker_that_dies_in_the_midst_changes_nothing(tmp_path: Path):
    file = write(tmp_path, REAL)
    into = tmp_path / "dask"
    over = ("mode=rq", "load.0.depth=2")
    assert here(file, tmp_path / "processes", *over, play=PLAY) == 0
    with DaskCluster(tmp_path) as cluster:
        cluster.start_worker()
        victim = cluster.start_worker()
        script = (
            "import sys\nfrom hawser.cli.lab_sweep import Wish, run_sweep\n"
            f"sys.exit(run_sweep({Wish(str(file), over, None, None, cluster.address, str(into), 0, 60.0, PLAY)!r}))\n"
        )
        environment = {**os.environ, "PYTHONPATH": python_path()}
        with subprocess.Popen([sys.executable, "-c", script], env=environment) as sweep:
            try:
                _await_lines(into / JOBS, 10, sweep)
                cluster.stop(victim)
                assert sweep.wait(600) == 0
            finally:
                sweep.kill()
    assert contents(into) == contents(tmp_path / "processes")


def _await_lines(file: Path, count: int, process: subprocess.Popen[Any]) -> None:
    while not file.exists() or file.read_bytes().count(b"\n") < count:
        assert process.poll() is None
        time.sleep(0.05)
