"""A map of four paths with other targets of device mapper below two of them, above it, or both; served, and suspended at times.

What lies below a bio-based map is a device of the same server, and its path fails with it until somebody reinstates it. A
request-based map stands on paths alone: there the two paths lead to servers of their own, which export such a device. To the map
they are alive, and what they say is an answer: it is tried once elsewhere, and the path stays. So these two must never be bad in
the same place at the same time.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle

from tests.support import fio
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import Gateway
from tests.support.processes import run

SIZE = 2 * fio.MIXED_BYTES
SECTORS = SIZE // 512
HALF = SECTORS // 2
# A seam that large blocks lie across, in the midst of a sequential job; in whole blocks of the servers that have no smaller ones.
SEAM = 20008
CHUNK = 128
BAD_BLOCK = 4096
BAD_BLOCKS_PER_STEP = 300
STEP_S = 0.25
LISTEN_S = 0.05
LISTENS_MAX = 4
SUSPEND_EVERY_S = 1.0
SUSPENDED_S = 0.1
# A round of load on a busy machine may end before all that should happen has happened: then there is another.
ROUNDS_MAX = 10

ABOVE = {
    "linear": f"0 {SEAM} linear mpatha {SECTORS - SEAM}\n{SEAM} {SECTORS - SEAM} linear mpatha 0",
    "striped": f"0 {SECTORS} striped 2 {CHUNK} mpatha 0 mpatha {HALF}",
    "raid1": f"0 {HALF} raid1 2 mpatha 0 mpatha {HALF}",
}
# Of the two ways to be flakey: plain is everything.
FLAKEY_FEATURES = {"flakey": "0", "error_writes": "1 error_writes"}


@dataclass(frozen=True)
class Case:
    """`below`: flakey, error_writes (of flakey) or dust; `above`: linear, striped or raid1; `suspend`: flush or noflush."""

    mode: str
    scheduler: str = "none"
    below: str = ""
    above: str = ""
    suspend: str = ""

    def __str__(self) -> str:
        return "-".join(word for word in (self.mode, self.scheduler, self.below, self.above, self.suspend) if word)


class Dust:
    """Blocks of a dust device that cannot be read until they are written. Of two such devices, `number` 0 and 1, the bad blocks
    are a MiB apart from each other's, so that no request touches those of both."""

    def __init__(self, gateway: Gateway, device: str, number: int) -> None:
        self.gateway = gateway
        self.device = device
        self.cells = [cell for cell in range(SIZE // MIB) if cell % 4 == 2 * number]
        self.rng = random.Random(number)
        for word in ("quiet", "enable"):
            gateway.dm("message", device, "0", word)

    def spoil(self) -> None:
        places = [self.rng.choice(self.cells) * MIB + self.rng.randrange(MIB) for _ in range(BAD_BLOCKS_PER_STEP)]
        # One that is bad already is refused.
        self.gateway.ask_all(
            "message", [[self.device, "0", "addbadblock", str(place // BAD_BLOCK)] for place in places]
        )


class Trouble:
    """What the two bad paths do. `step` is called every STEP_S while I/O runs."""

    def step(self) -> None:
        raise NotImplementedError

    def end(self) -> None:
        """From now on all is well."""

    def is_felt(self) -> bool:
        """Both of the bad paths have been in trouble."""
        return True

    def assert_confined(self) -> None:
        """Nothing has happened to the others."""


class NoTrouble(Trouble):
    def step(self) -> None:
        """All is well."""


def _nothing() -> None:
    """Listening is all."""


class FailingPaths(Trouble):
    """Devices of the server itself, `bad0` and `bad1`: no checker looks below them, so that a user has to reinstate the paths."""

    def __init__(self, gateway: Gateway, is_dust: bool) -> None:
        self.gateway = gateway
        self.dust = [Dust(gateway, f"bad{number}", number) for number in range(2)] if is_dust else []

    def step(self) -> None:
        for dust in self.dust:
            dust.spoil()
        self.end()

    def end(self) -> None:
        for number, state, _ in self.gateway.path_words():
            if state == "F":
                self.gateway.dm("message", "mpatha", "0", "reinstate_path", number)

    def is_felt(self) -> bool:
        return all(failures > 0 for _, failures in self.gateway.paths()[:2])

    def assert_confined(self) -> None:
        counts = [failures for _, failures in self.gateway.paths()]
        assert counts[2:] == [0, 0], f"good paths have failed: {counts}"


class AnsweringServers(Trouble):
    """Servers whose export is `bad`. Flakey ones are down in turn; dusty ones are bad in different places."""

    def __init__(self, gateway: Gateway, servers: list[Gateway], kind: str) -> None:
        self.gateway = gateway
        self.dust = [Dust(server, "bad", number) for number, server in enumerate(servers)] if kind == "dust" else []
        self.features = FLAKEY_FEATURES.get(kind, "")
        self.turns = cycle(servers)
        self.down: Gateway | None = None
        self.file = gateway.control.with_name("trace.json")
        # Whose errors have not been seen to reach the map yet.
        self.unheard = set(servers)

    def step(self) -> None:
        if self.dust:
            # What is spoiled is soon written, and good again: so it is listened to from before on.
            self.listen(next(self.turns), STEP_S, self.spoil)
        elif self.down is None:
            self.down = next(self.turns)
            self.swap(self.down, f"flakey mpatha 0 0 1 {self.features}")
            self.listen(self.down, LISTEN_S)
        elif self.down in self.unheard:
            self.listen(self.down, LISTEN_S)
        else:
            self.end()

    def end(self) -> None:
        if self.down is not None:
            self.swap(self.down, "linear mpatha 0")
            self.down = None

    def swap(self, server: Gateway, words: str) -> None:
        server.dm("load", "bad", "--table", f"0 {SECTORS} {words}")
        server.dm("resume", "bad")

    def spoil(self) -> None:
        for dust in self.dust:
            dust.spoil()

    def listen(self, server: Gateway, seconds: float, do: Callable[[], None] = _nothing) -> None:
        """Nothing else than a trace tells what a path has answered. `do` is done while it is recorded, or anyway."""
        if server not in self.unheard:
            do()
        for _ in range(LISTENS_MAX if server in self.unheard else 0):
            tracing = self.gateway.start_trace(seconds)
            do()
            self.gateway.end_trace(tracing, self.file)
            if f'{server.socket}: I/O"' in self.file.read_text():
                self.unheard.remove(server)
                break

    def is_felt(self) -> bool:
        return not self.unheard

    def assert_confined(self) -> None:
        assert [failures for _, failures in self.gateway.paths()] == [0] * 4, "an answer is no reason to fail a path"


class Stack:
    """One case, served."""

    def __init__(self, fleet: Fleet, case: Case) -> None:
        self.fleet = fleet
        self.case = case
        self.image = fleet.image("disk", SIZE)
        # Few tags, so that there is something to merge and to sort.
        self.paths = [f"file://{self.image}?depth={4 + number}" for number in range(4)]
        self.options = ["--queue-mode", case.mode, "--scheduler", case.scheduler, "--queue-timeout", "forever"]
        self.suspends = 0
        self.trouble: Trouble = NoTrouble()
        if not case.below:
            self.gateway = self._serve()
        elif case.mode == "bio":
            self.gateway = self._serve_over_bad_devices()
        else:
            self.gateway = self._serve_over_bad_servers()

    def _serve_over_bad_devices(self) -> Gateway:
        is_dust = self.case.below == "dust"
        for number in range(2):
            words = f"dust 259:{number} 0 {BAD_BLOCK}"
            if not is_dust:
                words = f"flakey 259:{number} 0 1 1 {FLAKEY_FEATURES[self.case.below]}"
            self.options += ["--device", f"bad{number}=0 {SECTORS} {words}"]
        names = " ".join(f"{name} 1 1" for name in ("bad0", "bad1", "259:2", "259:3"))
        words = f"3 queue_if_no_path queue_mode bio 0 1 1 service-time 0 4 2 {names}"
        self.options += ["--table", f"0 {SECTORS} multipath {words}"]
        gateway = self._serve()
        self.trouble = FailingPaths(gateway, is_dust)
        return gateway

    def _serve_over_bad_servers(self) -> Gateway:
        words = f"dust mpatha 0 {BAD_BLOCK}" if self.case.below == "dust" else "linear mpatha 0"
        device = f"bad=0 {SECTORS} {words}"
        # Not over the file itself: that is the gateway's own, and one gateway has a disk.
        below = [self.fleet.nbdkit(f"below{number}", "file", self.image).uri(cache="lun") for number in range(2)]
        servers = [self.fleet.serve([uri], "--device", device) for uri in below]
        self.paths[:2] = [f"{server.uri}&cache=lun" for server in servers]
        gateway = self._serve()
        self.trouble = AnsweringServers(gateway, servers, self.case.below)
        return gateway

    def _serve(self) -> Gateway:
        if self.case.above:
            self.options += ["--device", f"top={ABOVE[self.case.above]}"]
        return self.fleet.serve(self.paths, *self.options)

    def verify(self, runtime_s: int) -> None:
        """Load, trouble and suspends together; then nothing may be wrong or missing, neither here nor in the file."""
        block = self.gateway.client().export.block_min
        self._round("fio1", runtime_s, block)
        for number in range(2, ROUNDS_MAX + 1):
            if not self._is_all_done():
                self._round(f"fio{number}", runtime_s, block)
        assert self.trouble.is_felt(), "a bad path or server has not been heard of"
        assert self.suspends > 0 or not self.case.suspend
        self.trouble.assert_confined()
        assert self.gateway.states() == "AAAA"
        self.gateway.assert_no_traceback()
        assert self.gateway.end() < 5
        self._look_into_the_file()

    def _is_all_done(self) -> bool:
        return self.trouble.is_felt() and (self.suspends > 0 or not self.case.suspend)

    def _round(self, name: str, runtime_s: int, block: int) -> None:
        # A flush that a server has answered with an error is an error for all who had the disk open: that is as it should be.
        fsync = not isinstance(self.trouble, AnsweringServers)
        before = self._writes()
        command = fio.mixed_command(self.fleet.directory, self.gateway.uri, runtime_s, block, fsync)
        load = self.fleet.run(name, *command)
        load.wait_until(lambda: self._writes() > before or not load.is_running(), "it writes")
        due = time.monotonic() + SUSPEND_EVERY_S
        while load.is_running():
            self.trouble.step()
            if self.case.suspend and time.monotonic() >= due:
                due = time.monotonic() + SUSPEND_EVERY_S
                self._suspend_and_resume()
            time.sleep(STEP_S)
        self.trouble.end()
        assert load.wait() == 0, fio.complaints(load.output() + load.log()) + self.gateway.log()[-3000:]
        for job in fio.reports(load.output()):
            assert job["error"] == 0 and job["write"]["total_ios"] > 0, job

    def _writes(self) -> int:
        """How many the map has done."""
        (count,) = [row["wr_ios"] for row in self.gateway.stats() if row["device"] == "mpatha"]
        return int(count)

    def _suspend_and_resume(self) -> None:
        """The map and what stands on it take turns."""
        names = ["mpatha", "top"] if self.case.above else ["mpatha"]
        name = names[self.suspends % len(names)]
        option = ["--noflush"] if self.case.suspend == "noflush" else []
        self.gateway.dm("suspend", *option, name)
        assert "SUSPENDED" in self.gateway.dm("info", name)
        time.sleep(SUSPENDED_S)
        self.gateway.dm("resume", name)
        assert "SUSPENDED" not in self.gateway.dm("info", name)
        self.suspends += 1

    def _look_into_the_file(self) -> None:
        disk = self.image.read_bytes()
        sides: list[bytes] = []
        for areas in sides_of(self.case):
            sides.append(b"".join(disk[first << 9 : (first + count) << 9] for first, count in areas))
        assert all(side == sides[0] for side in sides), "the legs of the mirror differ"
        copy = self.fleet.directory / "top.img"
        copy.write_bytes(sides[0])
        done = run(fio.kept_command(self.fleet.directory, copy), check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def sides_of(case: Case) -> list[list[tuple[int, int]]]:
    """Where the sectors of the topmost device lie on the disk, as (first, count) in order; of a mirror once for each leg."""
    if case.above == "linear":
        return [[(SECTORS - SEAM, SEAM), (0, SECTORS - SEAM)]]
    if case.above == "striped":
        return [[(number % 2 * HALF + number // 2 * CHUNK, CHUNK) for number in range(SECTORS // CHUNK)]]
    if case.above == "raid1":
        return [[(0, HALF)], [(HALF, HALF)]]
    return [[(0, SECTORS)]]
