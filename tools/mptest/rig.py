"""What every case stands on: four servers over one file, hawser over them as mptest has it, fio and a journalled client."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.support import fio
from tests.support.fleet import Fleet
from tests.support.journalled_disk import JournalledDisk
from tests.support.load import BLOCK_MIN, READ, WRITE, ZEROES
from tests.support.multipath_status import MultipathStatus, parse_status
from tests.support.nbd_client import NbdError
from tests.support.processes import PATIENCE_S, Process, run, wait_for
from tools.mptest.plan import Variant

from hawser.service.control import Reply, ask

PATHS = 4
SECTORS = fio.MPTEST_BYTES >> 9
MAP = "mpatha"
# One of fio's I/Os that a stopped server holds costs so much.
IO_TIMEOUT_S = 1
# The client beside fio. No flushes: how long a file system takes for one is not what is measured here.
MIX = {READ: 30, WRITE: 60, ZEROES: 6}
DEPTH = 4
RATE = 200
# Nobody but the case decides about paths that work, and nobody asks idle ones.
ALONE = ("--keepalive", "off", "--double-failed-time", "off", "--slow-path-factor", "off")
# fio connects long before its first I/O: so many, and they flow.
FLOWS_IOS = 16
_REINSTATED = re.compile(r"^(\S+ \S+) warning: multipath: \S+ Reinstating path", re.MULTILINE)


@dataclass(frozen=True)
class Counts:
    """What `hawser stats` says at one moment. `paths` and `in_flight`: of each path; `ios`: of the map."""

    ios: int
    paths: tuple[int, ...]
    in_flight: tuple[int, ...]

    def since(self, before: Counts) -> tuple[int, ...]:
        """How many commands each path has carried meanwhile."""
        return tuple(now - then for now, then in zip(self.paths, before.paths, strict=True))


@dataclass(frozen=True)
class Outage:
    """Moments of the monotonic clock: when the last path was about to go, was back, and the first I/O was answered."""

    began: float
    ended: float
    answered: float

    def resumed_after_s(self) -> float:
        return self.answered - self.ended


class Rig:
    """Made, it serves and I/O flows; `begin` starts fio. `tell` is told what goes on."""

    def __init__(self, fleet: Fleet, variant: Variant, tell: Callable[[str], None]) -> None:
        self.fleet = fleet
        self.variant = variant
        self.tell = tell
        image = fleet.image("disk", fio.MPTEST_BYTES)
        self.servers = [fleet.nbdkit(f"path{number}", "file", image) for number in range(PATHS)]
        # Nobody but M-01 has commands time out: a busy machine must not.
        timeout = {"timeout": IO_TIMEOUT_S} if variant.case == "M-01" else {}
        uris = [server.uri(cache="lun", **timeout) for server in self.servers]
        options = ["--queue-timeout", "forever", *ALONE, "--table", self.table_of(range(PATHS))]
        blocks = fio.MPTEST_FREE_BYTES // BLOCK_MIN // 8
        self.disk = JournalledDisk(
            fleet, image, self.servers, uris, *options, blocks=blocks, depth=DEPTH, rate=RATE, mix=MIX
        )
        self.gateway = self.disk.gateway
        self.load = self.disk.load
        self.outages: list[Outage] = []
        self._fio: Process | None = None
        self._ends_at = 0.0
        self._events_before = self._event_number()
        self.begun = self.counts()

    def table_of(self, paths: Sequence[int], initial: int = 1) -> str:
        """mptest's table over these paths in their groups; of none, no groups."""
        groups = [[path for path in paths if path // 2 == group] for group in (0, 1)]
        words = [
            f"queue-length 0 {len(group)} 1 " + " ".join(f"259:{path} 1" for path in group) for group in groups if group
        ]
        features = f"4 queue_if_no_path retain_attached_hw_handler queue_mode {self.variant.mode}"
        return " ".join([f"0 {SECTORS} multipath {features} 0 {len(words)} {initial if words else 0}", *words])

    # The run.

    def begin(self) -> None:
        """fio writes, and all that counts is counted from here."""
        command = fio.mptest_command(
            self.fleet.directory, self.gateway.uri, self.variant.seconds, self.variant.rate_iops
        )
        self._fio = self.fleet.run("fio", *command)
        others = self.counts().ios - self.load.done()
        self._fio.wait_until(lambda: self.counts().ios - self.load.done() > others + FLOWS_IOS, "it writes")
        self._ends_at = time.monotonic() + self.variant.seconds
        self.begun = self.counts()

    def goes_on(self) -> bool:
        return time.monotonic() < self._ends_at

    def end(self) -> None:
        """fio has found nothing wrong, nor has the journal, nor is there anything else on the disk. Then the map is taken away as
        mptest does it."""
        self.wait_for_fio()
        # Or a flush would take as long as the disk below takes for what fio has written.
        with self.disk.image.open("rb+") as file:
            os.fsync(file.fileno())
        self.disk.end()
        kept = run(fio.kept_command(self.fleet.directory, self.disk.image), check=False)
        assert kept.returncode == 0, f"what fio wrote once is not there: {fio.complaints(kept.stdout + kept.stderr)}"
        self._take_away()

    def wait_for_fio(self) -> None:
        """It ends, and has found nothing wrong."""
        assert self._fio is not None
        status = self._fio.wait(self.variant.seconds + PATIENCE_S)
        assert status == 0, f"fio: {fio.complaints(self._fio.output() + self._fio.log())}"

    def _take_away(self) -> None:
        client = self.gateway.client()
        self.swap(f"0 {SECTORS} error")
        assert self.gateway.dm("status") == f"{MAP}: 0 {SECTORS} error \n"
        try:
            client.write(0, bytes(BLOCK_MIN))
        except NbdError:
            pass
        else:
            raise AssertionError("a write to an error target succeeded")
        client.close()
        self.load.client.close()
        assert self.gateway.end() < 5
        self.gateway.assert_no_traceback()

    def fio_jobs(self) -> list[dict[str, Any]]:
        """What fio says of its jobs, when it has ended."""
        assert self._fio is not None
        return fio.reports(self._fio.output())

    # What is to be seen.

    def status(self) -> MultipathStatus:
        return parse_status(self.gateway.dm("status"), MAP)

    def wait_for_status(self, holds: Callable[[MultipathStatus], bool], what: str) -> MultipathStatus:
        self.gateway.wait_until(lambda: holds(self.status()), f"{what}; it is {self.gateway.dm('status')}")
        return self.status()

    def counts(self) -> Counts:
        rows = {row["number"]: row for row in self.gateway.stats()}
        paths = [rows[f"259:{number}"] for number in range(PATHS)]
        (of_map,) = [row for row in rows.values() if row["device"] == MAP]
        return Counts(
            _commands(of_map), tuple(_commands(row) for row in paths), tuple(row["in_flight"] for row in paths)
        )

    def _event_number(self) -> int:
        line = next(line for line in self.gateway.dm("info").splitlines() if line.startswith("Event number:"))
        return int(line.split(":")[1])

    def events(self) -> int:
        """How many the map has had since all was well."""
        return self._event_number() - self._events_before

    def wait_for_quiet(self, paths: Sequence[int]) -> Counts:
        """Until nothing is on its way through these paths; what was counted then."""
        found: list[Counts] = []

        def is_quiet() -> bool:
            found.append(self.counts())
            return not any(found[-1].in_flight[path] for path in paths)

        self.gateway.wait_until(is_quiet, f"nothing is in flight through paths {list(paths)}")
        return found[-1]

    def stay_still(self, seconds: float) -> None:
        """There is no path: for so long nothing is answered, and it waits, rather than fail."""
        before = self.wait_for_quiet(range(PATHS))
        time.sleep(seconds)
        assert self.counts().ios == before.ios, "I/O was answered though there is no path"
        wait_for(self._is_stuck, "as much as may be waits for a path")

    def _is_stuck(self) -> bool:
        # (Raises what has gone wrong there.)
        self.load.done()
        return self.load.in_flight() == DEPTH

    def stay_in_group(self, number: int, seconds: float) -> None:
        """For so long I/O goes by both paths of this group, and by no other."""
        used = (0, 1) if number == 1 else (2, 3)
        idle = [path for path in range(PATHS) if path not in used]
        before = self.wait_for_quiet(idle)
        time.sleep(seconds)
        self.gateway.wait_until(
            lambda: all(self.counts().since(before)[path] > 0 for path in used), f"I/O goes by group {number}"
        )
        carried = self.counts().since(before)
        assert not any(carried[path] for path in idle), f"only group {number} is in use, and paths carried {carried}"

    # What is done.

    def message(self, *words: str) -> None:
        self.gateway.dm("message", MAP, "0", *words)

    def load_table(self, table: str) -> Reply:
        """Make it the inactive one; what the server says."""
        return ask(str(self.gateway.control), "load", [MAP, "--table", table])

    def swap(self, table: str, meanwhile: Callable[[], None] = lambda: None) -> float:
        """A noflush reload, with something done while the map is suspended; when it was resumed."""
        self.gateway.dm("load", MAP, "--table", table)
        self.gateway.dm("suspend", "--noflush", MAP)
        assert "SUSPENDED" in self.gateway.dm("info")
        meanwhile()
        resumed = time.monotonic()
        self.gateway.dm("resume", MAP)
        assert "SUSPENDED" not in self.gateway.dm("info")
        return resumed

    def kill_all(self) -> None:
        for server in self.servers:
            server.kill()

    def start_all(self) -> None:
        for server in self.servers:
            server.start()

    def outage(self, began: float, log_bytes: int, not_before: float = 0.0) -> None:
        """Note an outage that is over: the first path is said to be back in what the log has behind `log_bytes`, where it did not
        depend on something that was done later (`not_before`)."""
        self.gateway.wait_until(lambda: "A" in self.status().states(), "a path is back")
        ended = max(self._first_back(log_bytes), not_before)
        assert ended > 0, "no path was said to be back"
        self.gateway.wait_until(lambda: self.load.first_answer(ended) > 0, "I/O is answered again")
        self.outages.append(Outage(began, ended, self.load.first_answer(ended)))

    def log_bytes(self) -> int:
        return len(self.gateway.log())

    def _first_back(self, log_bytes: int) -> float:
        found = _REINSTATED.search(self.gateway.log(), log_bytes)
        if found is None:
            return 0.0
        return datetime.fromisoformat(found[1]).timestamp() - time.time() + time.monotonic()


def _commands(row: dict[str, int]) -> int:
    """Of all kinds, those that have ended."""
    return row["rd_ios"] + row["wr_ios"] + row["ds_ios"] + row["fl_ios"]
