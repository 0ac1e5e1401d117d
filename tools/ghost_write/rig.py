"""The servers and the gateway of one row on one side, and the fault that strikes the first server.

`naive` is the same gateway without fences, told that all caches are one: what a multipath does that knows neither. As shipped
it is told what is true of the servers: one page cache behind all of them (`cache=lun`), or nothing where each has a cache of
its own.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.support.black_hole import BlackHole
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import Gateway
from tests.support.nbd_client import NbdClient
from tests.support.relay import Relay
from tests.support.upstreams import NBD_PORT, NbdServer, Upstream
from tools.ghost_write.judge import BEFORE
from tools.ghost_write.plan import BLOCK, CACHES, HOLES, Variant

IO_TIMEOUT_S = 1.0
# The second path is never at fault: it may be as slow as the machine is.
SECOND_TIMEOUT_S = 30.0
# How long the older write is held below its server.
SLOW_S = {"after": 2.5, "before": 4.0, "beside": 4.0}
REACHES_SERVER_S = 0.3
FLUSH_S = 5.0
HEALS_S = 2.5
# TCP sends again after ever longer pauses; hawser waits 5 s for a late answer before it resets the connection.
HOLE_SETTLES_S = 5.0
RESET_S = 7.0
QUIESCE_MARGIN_S = 0.5
HOLE_QUIESCE_S = 0.5
DISK_BYTES = 64 * MIB


class Rig:
    """Both servers over one file, the gateway over both. `close` is the fleet's, and the hole's own."""

    def __init__(self, fleet: Fleet, variant: Variant, naive: bool, queue_mode: str, cache: str) -> None:
        self.variant = variant
        self.naive = naive
        self.cache = cache
        self.fleet = fleet
        self.hole: BlackHole | None = None
        self.relay: Relay | None = None
        self.slow_s = SLOW_S[variant.order]
        self.image = fleet.image("disk", DISK_BYTES)
        start, size = variant.whole_range()
        with self.image.open("r+b") as file:
            file.seek(start)
            file.write(BEFORE * size)
        first, self.slow_first = fleet.slow_writes("first")
        second, self.slow_second = fleet.slow_writes("second")
        if variant.fault == "cached" and not naive:
            # Nothing is declared: the truth is what hawser assumes.
            cache = self.cache = "path"
        self.first = self._first(first)
        self.second = _server(fleet, variant, "second", self.image, False, second)
        words: dict[str, object] = {"cache": "lun" if naive else cache, "timeout": IO_TIMEOUT_S}
        if variant.fault == "cut-quiesce":
            words["quiesce"] = self.slow_s + QUIESCE_MARGIN_S
        elif variant.fault == "hole-quiesce":
            words["quiesce"] = HOLE_QUIESCE_S
        uris = [self._first_uri(words), self.second.uri(cache=words["cache"], timeout=SECOND_TIMEOUT_S)]
        self.gateway = serve(fleet, uris, naive, queue_mode)
        self.gateway.wait_for_paths("AA")

    def _first(self, environment: dict[str, str]) -> Upstream:
        fleet, variant = self.fleet, self.variant
        if variant.fault not in HOLES:
            tcp = variant.fault.startswith("cut") or variant.fault == "kill-tcp"
            made = _server(fleet, variant, "first", self.image, tcp, environment)
            self.relay = fleet.relay(made) if variant.fault.startswith("cut") else None
            return made
        self.hole = BlackHole()
        return _behind(self.hole, fleet, variant, self.image)

    def _first_uri(self, words: dict[str, object]) -> str:
        return (self.relay or self.first).uri(**words)

    def may_acknowledge(self) -> bool:
        """Whether the retry's acknowledgement is due without a proof: not where the first server's cache is its own, and nothing
        says that its end has come or that it was flushed."""
        is_provable = self.variant.fault in ("timeout", "cached", "stop", "hole", "kill")
        return self.naive or self.cache == "lun" or is_provable

    # The fault.

    def hold(self, which: str, seconds: float) -> None:
        """Writes that touch the row's range are held below that server for so long, from now on; 0 ends that."""
        file = self.slow_first if which == "first" else self.slow_second
        if seconds:
            start, size = self.variant.whole_range()
            part = file.with_suffix(".part")
            part.write_text(f"{seconds} {start} {start + size}")
            part.replace(file)
        else:
            file.unlink(missing_ok=True)

    def arrange(self) -> None:
        """Before the older write is sent."""
        if self.variant.fault == "stop":
            self.first.freeze()
        elif self.hole is not None:
            self.hole.swallow()
        else:
            self.hold("first", self.slow_s)

    def strike(self) -> None:
        """When it has reached the server, or would have."""
        fault = self.variant.fault
        time.sleep(REACHES_SERVER_S)
        if self.relay is not None:
            self.relay.cut("eof" if fault == "cut-orderly" else "reset")
        elif fault in ("kill", "kill-tcp"):
            self.first.kill()
        self.gateway.wait_for_log("Failing path")
        self.hold("first", 0)

    def heals_after_s(self) -> float:
        """When what was stopped goes on, counted from the older write; 0 where nothing does."""
        if self.variant.fault == "hole-quiesce":
            return RESET_S
        if self.variant.fault in ("stop", "hole"):
            return HEALS_S if self.variant.order == "after" else self.slow_s
        return 0.0

    def heal(self) -> None:
        if self.variant.fault == "stop":
            self.first.thaw()
        elif self.hole is not None:
            self.hole.heal()

    def settles_after_s(self) -> float:
        """When the older write has landed if it ever does, counted from when it was sent."""
        if self.variant.fault in HOLES:
            return self.heals_after_s() + HOLE_SETTLES_S
        return max(self.heals_after_s(), self.slow_s) + 0.7

    def lifts_after_s(self) -> float:
        """When a fence has been lifted at the latest, if it ever is."""
        declared = {"cut-quiesce": self.slow_s + QUIESCE_MARGIN_S + 1.0, "hole-quiesce": RESET_S + HOLE_QUIESCE_S + 1.0}
        return max(self.settles_after_s(), declared.get(self.variant.fault, 0.0)) + 1.0

    def write_back(self, client: NbdClient) -> None:
        """Have everything in the file: first what hawser can flush, then whatever makes a server write its cache back."""
        if self.variant.fault == "cached":
            client.has_answer(client.send_flush(), FLUSH_S)
            for server in (self.second, self.first):
                self.fleet.direct_client(server).flush()

    def close(self) -> None:
        """Beside what the fleet closes."""
        if self.variant.fault == "stop":
            # A stopped server would be killed all the same, but its children must not be left standing.
            try:
                self.first.thaw()
            except ProcessLookupError:
                pass
        if self.hole is not None:
            self.hole.remove()


def serve(fleet: Fleet, uris: list[str], naive: bool, queue_mode: str, *more: str) -> Gateway:
    """The gateway; all I/O goes by the first path as long as that works."""
    options = ["--grouping", "failover", "--queue-mode", queue_mode, *more]
    if naive:
        options.append("--unsafe-no-fence")
    return fleet.serve(uris, *options)


def _sectors(variant: Variant) -> list[str]:
    """What has nbdkit state blocks as small as the row needs. The others state none, or 4096 bytes: hawser refuses smaller
    writes."""
    block = variant.block()
    if block >= BLOCK or variant.server != "nbdkit":
        return []
    return [f"blocksize-minimum={block}", f"blocksize-preferred={block}", "blocksize-maximum=32M"]


def _server(fleet: Fleet, variant: Variant, name: str, image: Path, tcp: bool, environment: dict[str, str]) -> Upstream:
    if variant.fault == "cached":
        return fleet.cached(variant.server, name, image, environment=environment)
    words = _sectors(variant)
    if words:
        return fleet.nbdkit(name, "file", image, *words, filters=["blocksize-policy"], tcp=tcp, environment=environment)
    return fleet.server(variant.server, name, image, tcp, environment)


def _behind(hole: BlackHole, fleet: Fleet, variant: Variant, image: Path) -> Upstream:
    """A server in the namespace at the far end of the cable."""
    kind = variant.server
    address = (hole.address, NBD_PORT)
    where = fleet.directory
    if kind == "nbdkit":
        words = _sectors(variant)
        filters = ["--filter=blocksize-policy"] if words else []
        command = ["nbdkit", "-f", "-i", hole.address, "-p", str(NBD_PORT), *filters, "file", str(image), *words]
    elif kind == "qemu-nbd":
        options = f"driver=raw,discard=unmap,file.driver=file,file.filename={image},file.locking=off"
        command = ["qemu-nbd", "-b", hole.address, "-p", str(NBD_PORT), "-t", "-e", "8", "--image-opts", options]
    else:
        config = where / "first.conf"
        config.write_text(
            f"[generic]\nlistenaddr = {hole.address}\nport = {NBD_PORT}\nallowlist = true\n"
            f"[e]\nexportname = {image}\nflush = true\ntrim = true\n"
        )
        command = ["nbd-server", "-C", str(config), "-p", str(where / "first.pid")]
        return fleet.keep(NbdServer("first", where, [*hole.prefix, *command], address, export="e"))
    return fleet.keep(Upstream("first", where, [*hole.prefix, *command], address))


def needs(variant: Variant) -> list[str]:
    """The programs that a row drives."""
    programs = [variant.server, "gcc"]
    if variant.fault in (*CACHES, "cached") or variant.overlap == "neighbour":
        programs.append("nbdkit")
    if variant.fault in HOLES:
        programs.append("ip")
    return programs


def lacks(variant: Variant) -> str:
    """What this machine lacks for a row beside programs."""
    return "needs root, for a network namespace" if variant.fault in HOLES and os.geteuid() != 0 else ""
