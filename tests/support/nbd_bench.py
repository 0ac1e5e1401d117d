"""An NBD path against a scripted server: the driver with its queue and path device, in virtual time."""

from collections.abc import Callable
from pathlib import Path

from hawser.core.rng import Rng
from hawser.core.units import NS_PER_MS, NS_PER_S, SECTOR_SHIFT
from hawser.multipath.disk import PathDevice, SharedDisk
from hawser.nbd.export import Export
from hawser.paths.nbd import NbdDriver
from hawser.paths.uri import parse_path_uri
from tests.support.driver_bench import DriverBench
from tests.support.fake_nbd import SIZE, Conversation, FakeServer

TIMEOUT_NS = NS_PER_S
DATA = bytes(range(256)) * 16


class NbdBench(DriverBench):
    """`path` None: over TCP. `options` are the path URI's attributes."""

    def __init__(self, path: Path | None, options: str = "cache=lun", export: Export | None = None) -> None:
        super().__init__()
        self.server = FakeServer(self.reactor, path, export)
        uri = parse_path_uri(self.server.address + options)
        self.driver = NbdDriver(uri, TIMEOUT_NS, self.reactor, self.turn, self.clock, self.timers, self.log, Rng(1))
        self.attach(self.driver)
        self.disk = SharedDisk("disk", self.log)
        self.device = PathDevice("p0", "259:0", SIZE >> SECTOR_SHIFT, self.queue, self.turn, self.disk, uri.cache)
        self.driver.device = self.device

    def connect(self) -> Conversation:
        """The first session."""
        self.reactor.run(self.driver.connect)
        return self.server.serve()

    def reconnect(self) -> Conversation:
        """The next session, as soon as the backoff is over."""
        for _ in range(300):
            if self.server.is_called():
                return self.server.serve()
            self.reactor.pass_time(10 * NS_PER_MS)
        raise AssertionError("it does not try again")

    def close(self) -> None:
        self.reactor.run(self.driver.shut_down)
        self.server.close()


# What makes one: `make(options, tcp=..., **export)`.
Make = Callable[..., NbdBench]
