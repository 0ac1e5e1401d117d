"""Two paths at once, under verify, for a long time: no mismatch, no failure, and each path carries half.

So the authors of request-based multipath tested theirs, on an active-active array. Here two servers are over one file; in one
gateway per queue mode fio verifies whatever it reads back, and a second client journals what it is told.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support import fio
from tests.support.fleet import MIB, Fleet
from tests.support.journalled_disk import JournalledDisk
from tests.support.processes import PATIENCE_S
from tools.mptest.trial import is_even

pytestmark = [pytest.mark.interop, pytest.mark.needs("fio", "nbdkit")]

MODES = ("rq", "bio")
SIZE = 64 * MIB
FIO_SIZE = "48M"
# The journal's area lies behind fio's.
FIRST_BLOCK = 48 * MIB // 4096
# How far from half is about half: a server that a busy machine neglects is rightly given less.
ABOUT = 0.15
LOOK_S = 1.0
# What a server may have grown by when it has had all its buffers at once for a while.
GROWTH_KIB = 16 << 10


def verify_for(directory: Path, mode: str, seconds: int, rate_iops: int) -> None:
    fleet = Fleet(directory)
    try:
        _verify(fleet, mode, seconds, rate_iops)
    finally:
        fleet.close()


def _verify(fleet: Fleet, mode: str, seconds: int, rate_iops: int) -> None:
    image = fleet.image("disk", SIZE)
    servers = [fleet.nbdkit(name, "file", image) for name in ("one", "two")]
    paths = [server.uri(cache="lun") for server in servers]
    options = ["--queue-mode", mode, "--grouping", "multibus", "--slow-path-factor", "off"]
    disk = JournalledDisk(fleet, image, servers, paths, *options, first_block=FIRST_BLOCK, blocks=256, rate=100)
    gateway = disk.gateway
    load = fleet.run("fio", *fio.verify_command(gateway.uri, seconds, FIO_SIZE, rate_iops))
    before = carried(disk)
    rss_kib = 0
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        time.sleep(min(LOOK_S, seconds / 10))
        assert gateway.paths() == [("A", 0)] * 2
        assert load.is_running() or time.monotonic() > ends, fio.complaints(load.output() + load.log())
        if not rss_kib and time.monotonic() > ends - seconds / 2:
            rss_kib = gateway.rss_kib()
    assert load.wait(PATIENCE_S) == 0, fio.complaints(load.output() + load.log())
    shares = tuple(now - then for now, then in zip(carried(disk), before, strict=True))
    assert is_even(shares, ABOUT), f"the paths carried {shares}"
    assert gateway.rss_kib() < rss_kib + GROWTH_KIB
    job = fio.report(load.output())
    assert job["error"] == 0 and min(job["read"]["total_ios"], job["write"]["total_ios"]) > 10 * seconds
    disk.end()


def carried(disk: JournalledDisk) -> list[int]:
    """Commands of each path."""
    rows = {row["number"]: row for row in disk.gateway.stats()}
    return [rows[f"259:{number}"]["rd_ios"] + rows[f"259:{number}"]["wr_ios"] for number in range(2)]


def verify_in_all_modes(directory: Path, seconds: int, rate_iops: int) -> None:
    """Side by side."""
    with ThreadPoolExecutor(len(MODES)) as pool:
        runs = []
        for mode in MODES:
            (directory / mode).mkdir()
            runs.append(pool.submit(verify_for, directory / mode, mode, seconds, rate_iops))
    for run in runs:
        run.result()


def test_half_a_minute_finds_no_problem(socket_dir: Path):
    verify_in_all_modes(socket_dir, 30, 150)


@pytest.mark.soak
@pytest.mark.timeout(4500)
def test_an_hour_finds_no_problem(socket_dir: Path):
    verify_in_all_modes(socket_dir, 3600, 1000)
