"""The servers and the gateway of one row, and the fault that strikes the path that is in use."""

from __future__ import annotations

import os
import re

from tests.support.black_hole import BlackHole
from tests.support.fleet import Fleet
from tests.support.gateway import Gateway
from tests.support.programs import find_program
from tests.support.upstreams import Upstream
from tools.stalls.plan import Variant

DISK_BYTES = 4 << 30
# A row's path in use has the letter of its group.
_GROUP = re.compile(r" ([AED]) 0 1 \d+ \d+:\d+ [AF]")


class Rig:
    """Two servers over one file, the gateway over both. What the fleet does not close is closed by `close`."""

    def __init__(self, fleet: Fleet, variant: Variant) -> None:
        self.fleet = fleet
        self.variant = variant
        self.hole = BlackHole() if variant.fault == "hole" else None
        self.image = fleet.image("disk", DISK_BYTES)
        self.frozen: Upstream | None = None
        tcp = variant.transport == "tcp"
        first = (
            fleet.beyond(self.hole, "one", self.image)
            if self.hole is not None
            else fleet.server(variant.server, "one", self.image, tcp)
        )
        self.servers = [first, fleet.server(variant.server, "two", self.image, tcp)]
        words: dict[str, object] = {"cache": variant.cache}
        if variant.quiesce_s:
            words["quiesce"] = f"{variant.quiesce_s:g}"
        options = ["--grouping", variant.grouping, "--queue-mode", variant.queue_mode, "--queue-timeout", "forever"]
        if variant.io_timeout_s:
            options += ["--io-timeout", f"{variant.io_timeout_s:g}"]
        self.gateway: Gateway = fleet.serve([server.uri(**words) for server in self.servers], *options)
        self.gateway.wait_for_paths("AA")

    def prepare(self) -> None:
        """Both paths work, and where only one can be struck that one is in use."""
        if self.variant.cache == "path":
            # Unflushed writes in the other path's cache could not tell whether a path that comes back leads to the same disk.
            with self.gateway.client() as client:
                client.flush()
        self.gateway.wait_for_states("AA")
        if self.hole is not None and self.variant.grouping == "failover" and self.in_use() != 0:
            self.gateway.dm("message", "mpatha", "0", "switch_group", "1")

    def in_use(self) -> int:
        """Which path I/O goes by; any of them where it goes by all."""
        letters = _GROUP.findall(self.gateway.dm("status"))
        return letters.index("A") if "A" in letters else 0

    def aim(self) -> Upstream:
        """Whom `strike` will hit. Asked before, as the gateway is left alone while it is measured."""
        return self.servers[0 if self.hole is not None else self.in_use()]

    def strike(self, victim: Upstream) -> None:
        if self.variant.fault == "kill":
            victim.kill()
        elif self.variant.fault == "stop":
            self.frozen = victim
            victim.freeze()
        elif self.hole is not None:
            self.hole.swallow()

    def heal(self, victim: Upstream) -> None:
        if self.variant.fault == "kill":
            victim.start()
        elif self.variant.fault == "stop":
            self.frozen = None
            victim.thaw()
        elif self.hole is not None:
            self.hole.heal()

    def close(self) -> None:
        if self.frozen is not None:
            self.frozen.thaw()
        if self.hole is not None:
            self.hole.remove()


def lacks(variant: Variant) -> str:
    """What this machine lacks for a row; empty if nothing."""
    programs = [variant.server] + (["ip"] if variant.fault == "hole" else [])
    missing = [f"the program {name} is not installed" for name in programs if find_program(name) is None]
    if variant.fault == "hole" and os.geteuid() != 0:
        missing.append("needs root, for a network namespace")
    return "; ".join(missing)
