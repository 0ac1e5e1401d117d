"""A hawser that is killed with a write on its way, and its successor."""

import time
from dataclasses import replace

from hawser.paths.write_table import FILE_NAME, Slot, WriteTable
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import Gateway
from tests.support.upstreams import Upstream, content

OLD = b"W" * 4096
NEW = b"N" * 4096
SLOW_S = 3.0


class Crash:
    """Two servers over one file, of which the first can be made slow; the state directory. `cache=lun` unless something else is
    said: the two share the page cache."""

    def __init__(
        self, fleet: Fleet, kind: str = "nbdkit", mode: str = "rq", tcp: bool = False, slow_s: float = SLOW_S
    ) -> None:
        self.fleet = fleet
        self.mode = mode
        self.image = fleet.image("disk", 8 * MIB, b"0")
        environment, self.slow = fleet.slow_writes("first")
        self.first = fleet.server(kind, "first", self.image, tcp, environment)
        self.second = fleet.server(kind, "second", self.image, tcp)
        self.state = fleet.directory / "state"
        self.slow_s = slow_s

    def uris(self, **attributes: object) -> list[str]:
        declared = {"cache": "lun", **attributes}
        return [server.uri(**declared) for server in (self.first, self.second)]

    def serve(self, with_state: bool = True, paths: list[Upstream] | None = None, **attributes: object) -> Gateway:
        """One path at a time carries I/O, the first one as long as it works."""
        options = ["--state-dir", str(self.state)] if with_state else []
        uris = self.uris(**attributes)
        if paths is not None:
            uris = [server.uri(**{"cache": "lun", **attributes}) for server in paths]
        return self.fleet.serve(uris, "--queue-mode", self.mode, "--grouping", "failover", *options)

    def happen(self, gateway: Gateway, with_a_kill: bool = True) -> None:
        """A write of OLD to the first block is on its way in the first server when hawser ends."""
        client = self.fleet.client(gateway)
        client.write(2 * MIB, OLD)
        self.slow.write_text(str(self.slow_s))
        client.send_write(0, OLD)
        # Until the server has it: that cannot be seen from outside.
        time.sleep(0.5)
        if with_a_kill:
            gateway.kill()
        else:
            gateway.end()
        self.slow.unlink()

    def stays(self, expected: bytes, seconds: float) -> bool:
        """Whether the file's first block goes on holding that."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if content(self.image, 0, len(expected)) != expected:
                return False
            time.sleep(0.05)
        return True

    # The table, while nobody serves.

    def table(self) -> WriteTable:
        return WriteTable(str(self.state / FILE_NAME))

    def slots(self) -> list[Slot]:
        return self.table().slots()

    def lose_power(self) -> None:
        """As if all this had been before the machine was started anew. (What has not reached the disk then is not to be relied
        upon: the slots go.)"""
        table = self.table()
        table.clear_all()
        for index, facts in table.sessions().items():
            table.drop_session(index)
            table.add_session(replace(facts, boot="an earlier one"))
        table.begin(table.size_sectors(), "an earlier one", table.machine())
