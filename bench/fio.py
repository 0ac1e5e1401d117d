"""fio's nbd engine: its command line, and the few numbers of its JSON that the bench reports."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.cases import BenchError, Case

GRACE_S = 30.0
PERCENTILES = ("50.000000", "99.000000", "99.900000")


@dataclass(frozen=True, slots=True)
class FioResult:
    """One run of fio over all its connections; latencies are fio's `lat`, submission to completion."""

    iops: float
    ios: int
    p50_us: float
    p99_us: float
    p999_us: float


def fio_command(uri: str, case: Case, connections: int, size_bytes: int, seconds: float) -> list[str]:
    """A connection is a fio job (a thread). Sequential jobs each read a region of their own."""
    command = ["fio", "--name=bench", "--ioengine=nbd", f"--uri={uri}"]
    command += [f"--rw={case.rw}", f"--bs={case.block_bytes}"]
    command += [f"--iodepth={case.depth_per_connection(connections)}", f"--numjobs={connections}"]
    if case.sequential and connections > 1:
        region_bytes = size_bytes // connections // case.block_bytes * case.block_bytes
        command += [f"--size={region_bytes}", f"--offset_increment={region_bytes}"]
    command += ["--time_based", f"--runtime={round(seconds * 1000)}ms", "--thread", "--group_reporting"]
    command += ["--norandommap", "--lat_percentiles=1", "--clat_percentiles=0"]
    return [*command, "--percentile_list=50:99:99.9", "--output-format=json"]


def run_fio(command: list[str], seconds: float, directory: Path) -> FioResult:
    """Runs fio to its end, within a bound."""
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=seconds + GRACE_S,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"fio: not done {GRACE_S:.0f} s after its run time") from error
    if done.returncode != 0:
        raise BenchError(f"fio: exit status {done.returncode}: {last_line(done.stderr or done.stdout)}")
    return parse_fio(done.stdout)


def parse_fio(text: str) -> FioResult:
    """fio's standard output -> numbers. The nbd engine logs a line per connection before the JSON."""
    start = text.find("{")
    if start < 0:
        raise BenchError(f"fio: no JSON in its output: {last_line(text)}")
    try:
        (job,) = json.loads(text[start:])["jobs"]
        if job["error"]:
            raise BenchError(f"fio: the I/O failed with error {job['error']}")
        return _busiest_direction(job)
    except (KeyError, TypeError, ValueError) as error:
        raise BenchError(f"fio: JSON of an unknown shape: {error!r}") from error


def _busiest_direction(job: dict[str, Any]) -> FioResult:
    side = max((job["read"], job["write"]), key=lambda direction: int(direction["total_ios"]))
    if not side["total_ios"]:
        raise BenchError("fio: not one I/O completed")
    p50, p99, p999 = (side["lat_ns"]["percentile"][name] / 1000 for name in PERCENTILES)
    return FioResult(float(side["iops"]), int(side["total_ios"]), p50, p99, p999)


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "(nothing printed)"
