"""fio as the client, at the same depth: what it says of its own slowest I/O."""

from __future__ import annotations

from tests.support import fio
from tests.support.fleet import Fleet
from tests.support.gateway import Gateway
from tests.support.processes import Process
from tests.support.programs import require_program
from tools.stalls.load import BLOCK, DEPTH

_RW = {"read": "randread", "write": "randwrite", "randrw": "randrw"}
NS_PER_S = 1e9
# It connects long before its first I/O: so many, and they flow.
FLOWS_IOS = 64


def start(fleet: Fleet, gateway: Gateway, load: str, offset: int, size: int, seconds: float, name: str) -> Process:
    """Random blocks of an area, each once at most; it runs for so long."""
    before = _ios(gateway)
    process = fleet.run(
        name,
        require_program("fio"),
        "--name=peer",
        "--ioengine=nbd",
        f"--uri={gateway.uri}",
        f"--rw={_RW[load]}",
        f"--bs={BLOCK}",
        f"--iodepth={DEPTH}",
        f"--offset={offset}",
        f"--size={size}",
        "--time_based",
        f"--runtime={max(1, round(seconds * 1000))}ms",
        "--output-format=json",
    )
    gateway.wait_until(lambda: _ios(gateway) >= before + FLOWS_IOS, "fio's I/O flows")
    return process


def _ios(gateway: Gateway) -> int:
    """How many the map has done."""
    row = gateway.stats()[0]
    return int(row["rd_ios"]) + int(row["wr_ios"])


def longest_s(process: Process, patience_s: float) -> float:
    """The slowest I/O (completion latency) of its whole run. AssertionError if an I/O failed, or it does not end."""
    status = process.wait(patience_s)
    assert status == 0, f"fio ended with {status}: {process.log()[-500:]}{process.output()[-500:]}"
    job = fio.report(process.output())
    assert job["error"] == 0, f"fio: error {job['error']}"
    return max(float(job[way]["clat_ns"]["max"]) for way in ("read", "write") if job[way]["total_ios"]) / NS_PER_S
