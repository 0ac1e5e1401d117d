"""A driver under a request queue of its own, in a PollReactor: what a path device does to it, without a map above."""

from hawser.block.bio import Bio, BioOwner
from hawser.block.driver import Driver, SessionListener
from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD, FLUSH, READ, WRITE, WRITE_ZEROES, Buffer
from hawser.block.plug import Plug
from hawser.block.queue import RequestQueue
from hawser.core.log import LogSink
from tests.support.reactor import PollReactor

LIMITS = QueueLimits(
    max_sectors=65536, max_discard_sectors=65536, max_write_zeroes_sectors=65536, write_cache=True, fua=True
)


class Owner(BioOwner):
    def __init__(self) -> None:
        super().__init__()
        self.done: list[Bio] = []

    def bio_done(self, bio: Bio) -> None:
        self.done.append(bio)


def data_of(bio: Bio) -> bytes:
    """What a read has read."""
    assert bio.data is not None
    return bytes(bio.data)


def proof_of(bio: Bio) -> str:
    """What proved the fate of a write that became an orphan."""
    assert bio.orphan is not None
    return bio.orphan.proof


class SessionEar(SessionListener):
    """Keeps what it heard: "ready", or why the session was lost."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def session_ready(self, driver: Driver) -> None:
        self.heard.append("ready")

    def session_lost(self, driver: Driver, reason: str) -> None:
        self.heard.append(reason)

    def session_refused(self, driver: Driver, reason: str) -> None:
        self.heard.append(f"refused: {reason}")


class DriverBench:
    """Give it a driver with `attach`; then submit. `lines` is the log."""

    def __init__(self) -> None:
        self.reactor = PollReactor()
        self.clock = self.reactor.clock
        self.timers = self.reactor.timers
        self.turn = self.reactor.turn
        self.log = LogSink()
        self.owner = Owner()
        self.ear = SessionEar()

    def attach(self, driver: Driver, depth: int = 4096) -> None:
        driver.listener = self.ear
        self.queue = RequestQueue("q", driver, LIMITS, self.turn, self.timers, depth)

    def lines(self) -> list[str]:
        return [text for _, text in self.log.lines]

    # One plug each; nothing is waited for.

    def submit(self, *bios: Bio) -> list[Bio]:
        def call() -> None:
            plug = Plug()
            for bio in bios:
                self.queue.submit(bio, plug)
            plug.finish()

        self.reactor.run(call)
        return list(bios)

    def bio(self, op: int, sector: int = 0, size: int = 0, data: Buffer | None = None, flags: int = 0) -> Bio:
        return Bio(op, sector, size if data is None else len(data), self.owner, data, flags)

    def read(self, sector: int = 0, size: int = 512) -> Bio:
        return self.submit(self.bio(READ, sector, size))[0]

    def write(self, sector: int, data: Buffer, flags: int = 0) -> Bio:
        return self.submit(self.bio(WRITE, sector, 0, data, flags))[0]

    def flush(self) -> Bio:
        return self.submit(self.bio(FLUSH))[0]

    def discard(self, sector: int, size: int) -> Bio:
        return self.submit(self.bio(DISCARD, sector, size))[0]

    def write_zeroes(self, sector: int, size: int, flags: int = 0) -> Bio:
        return self.submit(self.bio(WRITE_ZEROES, sector, size, None, flags))[0]

    def until_done(self, *bios: Bio) -> None:
        self.reactor.until(lambda: all(bio.finished for bio in bios))

    def at_rest(self) -> bool:
        return self.queue.idle() and not self.queue.driver.outstanding() and not self.turn.pending()
