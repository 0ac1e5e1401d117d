"""`hawser stats`: what it counts is what fio did."""

import os
import re
import subprocess
from typing import Any

import pytest
from tests.support import fio
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import HAWSER, Gateway
from tests.support.processes import run
from tests.support.programs import require_program

from hawser.cli.stats import latency_lines
from hawser.service.statistics import FIELDS, DeviceLatency

pytestmark = pytest.mark.interop

GROUPS = {"read": "rd_ios", "write": "wr_ios", "discard": "ds_ios", "flush": "fl_ios"}


def stats_command(gateway: Gateway, *words: str) -> subprocess.CompletedProcess[str]:
    return run([*HAWSER, "stats", "--control", gateway.control, *words], check=False)


def load(gateway: Gateway) -> dict[str, Any]:
    """What fio says it has done."""
    words = ["--name=count", "--ioengine=nbd", f"--uri={gateway.uri}", "--rw=randrw", "--bs=4k", "--size=8M"]
    done = run([require_program("fio"), *words, "--iodepth=8", "--fsync=32", "--output-format=json"])
    return fio.report(done.stdout)


def grown(before: list[dict[str, Any]], after: list[dict[str, Any]], name: str) -> dict[str, int]:
    """By how much the counters of the devices have grown: those of the map `mpatha`, or of all `paths` together."""
    found = dict.fromkeys(FIELDS, 0)
    for old, new in zip(before, after, strict=True):
        if (old["device"] == "mpatha") == (name == "mpatha"):
            for field in FIELDS:
                found[field] += new[field] - old[field]
    return found


@pytest.mark.needs("fio")
@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_the_counters_agree_with_what_fio_did(fleet: Fleet, mode: str):
    image = fleet.image("disk", 8 * MIB)
    gateway = fleet.serve([f"file://{image}?depth={4 + number}" for number in range(2)], "--queue-mode", mode)
    before = gateway.stats()
    job = load(gateway)
    after = gateway.stats()
    reads, writes, flushes = (job[group]["total_ios"] for group in ("read", "write", "sync"))
    assert reads > 0 and writes > 0 and flushes > 0 and reads + writes == 2048
    # A client's flush is an empty write there, as in Linux.
    mapped = grown(before, after, "mpatha")
    assert mapped["rd_ios"] + mapped["rd_merges"] == reads
    assert mapped["wr_ios"] + mapped["wr_merges"] == writes + flushes
    below = grown(before, after, "paths")
    for counters in (mapped, below):
        assert (counters["rd_sectors"], counters["wr_sectors"]) == (8 * reads, 8 * writes)
        assert counters["in_flight"] == counters["ds_ios"] == 0
    if mode == "bio":
        assert mapped["rd_merges"] == mapped["wr_merges"] == 0
        assert below["rd_ios"] + below["rd_merges"] == reads
    assert (mapped if mode == "rq" else below)["fl_ios"] > 0
    for row in after:
        for group, field in GROUPS.items():
            assert sum(count for _, count in row["latency_ns"][group]) == row[field], (row["device"], group)


def test_the_command_prints_proc_diskstats(fleet: Fleet):
    gateway = fleet.serve(["ram:?size=1M", "ram:?size=1M"])
    client = gateway.client()
    for number in range(5):
        client.write(number * 4096, bytes(4096))
    client.flush()
    client.read(0, 8192)
    lines = stats_command(gateway).stdout.splitlines()
    names = [re.fullmatch(r" *(\d+) +(\d+) (\S+)((?: \d+){17})", line) for line in lines]
    assert [match and (match[1], match[2]) for match in names] == [("254", "0"), ("259", "0"), ("259", "1")]
    for match, row in zip(names, gateway.stats(), strict=True):
        assert match and match[3] == row["device"].replace(" ", "\\040")
        assert [int(word) for word in match[4].split()] == [row[field] for field in FIELDS]
    reads, _, read_sectors, _, writes, _, write_sectors = (int(word) for word in lines[0].split()[3:10])
    assert (reads, read_sectors, writes, write_sectors) == (1, 16, 6, 40)


def test_the_command_prints_a_table_of_latencies_and_json(fleet: Fleet):
    gateway = fleet.serve(["ram:?size=1M&delay=0.002"])
    client = gateway.client()
    for _ in range(7):
        client.read(0, 4096)
    head, *rows = [line.split() for line in stats_command(gateway, "--latency").stdout.splitlines()]
    assert (head[:3], head[-1]) == (["device", "I/O", "count"], "name")
    (row,) = [row for row in rows if row[:2] == ["254:0", "read"]]
    assert (row[2], row[-1]) == ("7", "mpatha")
    quantiles = [float(word.replace(",", "")) for word in row[3:-1]]
    assert len(quantiles) == 5 and quantiles == sorted(quantiles) and quantiles[0] >= 2000
    printed = stats_command(gateway, "--json").stdout
    assert '"latency_ns"' in printed and printed.count('"device"') == 2
    assert stats_command(gateway, "--latency", "--json").stdout.count('"latency_ns"') == 2


def test_long_names_are_whole_however_narrow_the_terminal():
    uri = f"nbd+unix:///?socket=/run/{'long' * 30}/a.sock&cache=lun"
    rows = [DeviceLatency(uri, f"259:{number}", "read", 1000 * number, [1.0, 2.0, 3.0, 4.0, 5.5]) for number in (1, 2)]
    head, first, second = latency_lines(rows)
    assert first.split() == ["259:1", "read", "1,000", "1.0", "2.0", "3.0", "4.0", "5.5", uri]
    assert second.startswith("259:2 ") and second.index(uri) == head.index("name")


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_hedged_reads_are_counted(fleet: Fleet, mode: str):
    """One of two paths takes 40 ms; every second read comes to it, and one in twenty may be asked for twice."""
    paths = ["ram:?size=1M&delay=0.04", "ram:?size=1M"]
    words = ["--queue-mode", mode, "--selector", "round-robin 0", "--hedge-after", "5", "--slow-path-factor", "off"]
    gateway = fleet.serve(paths, *words)
    client = gateway.client()
    for number in range(60):
        client.read(number * 4096, 4096)
    line = stats_command(gateway, "--hedges").stdout
    found = re.fullmatch(r"mpatha: hedges sent (\d+), won (\d+), refused by budget (\d+)\n", line)
    assert found is not None, line
    sent, won, refused = (int(word) for word in found.groups())
    assert 1 <= won <= sent <= 3 and refused >= 20
    (row,) = [row for row in gateway.stats() if row["device"] == "mpatha"]
    assert row["hedges"] == {"sent": sent, "won": won, "refused": refused}
    assert row["rd_ios"] == 60


def test_without_hedged_reads_it_says_so(fleet: Fleet):
    gateway = fleet.serve(["ram:?size=1M"])
    assert stats_command(gateway, "--hedges").stdout == "mpatha: reads are not hedged (--hedge-after)\n"
    assert all("hedges" not in row for row in gateway.stats())


@pytest.mark.parametrize("words", [[], ["--latency"], ["--json"], ["--hedges"]])
def test_without_a_server_it_says_so(socket_dir, words: list[str]):
    """With `--latency` it was a traceback."""
    control = socket_dir / "nobody"
    done = run([*HAWSER, "stats", "--control", control, *words], check=False)
    assert done.returncode == 1 and str(control) in done.stderr and "no server answers there" in done.stderr
    assert "Traceback" not in done.stderr
    environment = {name: value for name, value in os.environ.items() if name != "HAWSER_CONTROL"}
    done = subprocess.run([*HAWSER, "stats", *words], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "--control" in done.stderr and "Traceback" not in done.stderr
