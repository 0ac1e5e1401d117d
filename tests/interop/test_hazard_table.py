"""The quick hazard table on all three servers: the naive side loses data, or the rig could not fail; hawser loses none."""

import os
import sys
from pathlib import Path

import pytest
from tests.support.processes import run
from tools.ghost_write.plan import SERVERS

pytestmark = [
    pytest.mark.interop,
    pytest.mark.needs("nbdkit", "qemu-nbd", "nbd-server", "gcc"),
    pytest.mark.timeout(300),
]
ROOT = Path(__file__).resolve().parents[2]


def table(*words: str, seconds: float) -> list[list[str]]:
    """The rows' cells. The tool says by its exit status that hawser lost nothing, and that every row was played."""
    assert Path.cwd() == ROOT, "tests are run from the root"
    done = run([sys.executable, "-m", "tools.ghost_write", *words], seconds)
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def assert_it_can_fail(rows: list[list[str]]) -> None:
    for server in SERVERS:
        naive = [row[6] for row in rows if row[0] == server]
        assert any(words in ("OLD DATA over newer", "flush OK, data LOST") for words in naive), naive
    assert all(row[7] in ("newer data", "nothing lost", "flush fails: no promise") for row in rows)


@pytest.mark.parametrize("mode", [pytest.param("rq", marks=pytest.mark.soak), "bio"])
def test_the_quick_table_shows_losses_without_fences_and_none_with_them(mode):
    faults = "timeout,caches" if mode == "bio" else "timeout,cut-hard,lost-cache"
    rows = table("--quick", "--faults", faults, "--queue-mode", mode, "--jobs", "6", seconds=200)
    assert len(rows) == len(SERVERS) * len(faults.split(","))
    assert_it_can_fail(rows)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_the_usual_table_with_other_rows_each_time(mode):
    rows = table("--queue-mode", mode, "--seed", str(os.getpid()), "--drawn", "20", seconds=1500)
    assert len(rows) > 80
