"""Four nbdkit servers over one file behind one gateway, any of which can be made slower while it runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.fio import report
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import Gateway
from tests.support.programs import require_program

SIZE = 64 * MIB
SERVERS = 4


@dataclass
class Times:
    """What fio has measured, the worse of reads and writes, in seconds."""

    mean: float
    p99: float
    longest: float


class SlowGroup:
    """`slow` and `heal` servers; the load is fio's, at a rate that every path can bear."""

    def __init__(self, fleet: Fleet, *options: str) -> None:
        self.fleet = fleet
        self.told: list[Path] = []
        image = fleet.image("disk", SIZE, b"slow")
        paths: list[str] = []
        for number in range(SERVERS):
            environment, told = fleet.slow_io(f"s{number}")
            self.told.append(told)
            paths.append(fleet.nbdkit(f"s{number}", "file", image, environment=environment).uri(cache="lun"))
        self.gateway: Gateway = fleet.serve(paths, *options)
        self.gateway.wait_for_paths("A" * SERVERS)

    def slow(self, number: int, seconds: float) -> None:
        """From now on each read and write takes so much longer there."""
        new = self.told[number].with_suffix(".new")
        new.write_text(f"{seconds:.6f}\n")
        new.rename(self.told[number])

    def heal(self, number: int) -> None:
        self.told[number].unlink()

    def command(self, runtime_s: float, rw: str = "randrw", depth: int = 8, rate: int = 400) -> Sequence[str]:
        return [
            require_program("fio"),
            "--name=load",
            "--ioengine=nbd",
            f"--uri={self.gateway.uri}",
            f"--rw={rw}",
            "--bs=4k",
            f"--iodepth={depth}",
            f"--size={SIZE}",
            "--norandommap",
            f"--rate_iops={rate}" + (f",{rate}" if rw == "randrw" else ""),
            "--rate_process=poisson",
            "--time_based",
            f"--runtime={runtime_s:g}",
            "--output-format=json",
        ]

    def run(self, name: str, runtime_s: float) -> "Times":
        """A load of its own, to its end."""
        load = self.fleet.run(name, *self.command(runtime_s))
        assert load.wait() == 0, load.log()
        job = report(load.output())
        assert job["error"] == 0, job
        found = [job[kind]["clat_ns"] for kind in ("read", "write")]
        return Times(
            max(times["mean"] for times in found) / 1e9,
            max(times["percentile"]["99.000000"] for times in found) / 1e9,
            max(times["max"] for times in found) / 1e9,
        )

    def ios(self) -> list[int]:
        """How many I/Os each path has done, by the path devices' own counters."""
        rows = {row["number"]: row for row in self.gateway.stats()}
        return [rows[devt]["rd_ios"] + rows[devt]["wr_ios"] for devt, _, _ in self.gateway.path_words()]
