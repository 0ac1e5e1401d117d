"""Clients that ask at random, disks that answer at random, and the oracle that knows what may be read."""

from hawser.block.bio import Bio
from hawser.block.ops import DISCARD, FLUSH, READ, WRITE, WRITE_ZEROES
from hawser.block.orphan import PROOF_ANSWER
from hawser.block.request import NOT_SENT, UNKNOWN, Request
from hawser.core.clock import Timers
from hawser.core.rng import Rng
from hawser.core.status import IOERR, MEDIUM, OK, TIMEOUT, TRANSPORT
from hawser.core.turn import Turn
from hawser.core.units import NS_PER_MS
from hawser.dm.mapped_device import MappedDevice
from hawser.lab.oracles.history import History, Write
from hawser.lab.payload import decode, fill, value_of
from hawser.lab.world import Answer, Client, RamDriver, Store, World
from hawser.multipath.target import Multipath

SECTORS = 8


class ChaosDriver(RamDriver):
    """Takes its time, fails now and then (`per_mille` of the requests), and sometimes does not know what became of a write."""

    def __init__(self, name: str, store: Store, turn: Turn, timers: Timers) -> None:
        super().__init__(name, store, turn, timers)
        self.rng = Rng(0)
        self.per_mille = 0
        self.ghostly = False
        self.slowest_ms = 4

    def queue_rq(self, request: Request) -> int:
        self.script.append(self._answer(request))
        return super().queue_rq(request)

    def _answer(self, request: Request) -> Answer:
        rng = self.rng
        delay_ns = rng.below(self.slowest_ms + 1) * NS_PER_MS
        if not rng.chance(self.per_mille, 1000):
            return Answer(delay_ns=delay_ns)
        if self.ghostly and rng.chance(1, 3):
            return Answer(TIMEOUT, fate=UNKNOWN, delay_ns=delay_ns, lands=rng.chance(1, 2))
        if rng.chance(1, 8):
            return Answer(TRANSPORT, fate=NOT_SENT, delay_ns=delay_ns)
        status = (IOERR, MEDIUM, TRANSPORT)[rng.below(3)]
        landed = rng.below(max(1, request.size >> 9)) << 9
        return Answer(status, good_bytes=landed, delay_ns=delay_ns)

    def settle_some(self) -> None:
        """Some of the ghosts land, or never will."""
        ghosts = self.ghosts
        self.ghosts = [ghost for ghost in ghosts if self.rng.chance(1, 2)]
        for ghost in ghosts:
            if ghost not in self.ghosts:
                if ghost.lands:
                    self.store.data[ghost.start : ghost.start + len(ghost.data)] = ghost.data
                ghost.orphan.resolve(PROOF_ANSWER)


class ChaosClient(Client):
    """Judges each answer by a history that all clients share."""

    def __init__(self, world: World, device: object, history: History, rng: Rng, first_write: int) -> None:
        super().__init__(device)  # type: ignore[arg-type]
        self.world = world
        self.history = history
        self.rng = rng
        self.serial = first_write
        # Of a read when it began, of anything else how many discards had been left out.
        self.open: dict[int, tuple[Bio, int, list[Write] | None]] = {}
        self.failed = 0
        self.succeeded = 0

    def ask(self) -> None:
        rng = self.rng
        op = (READ, READ, READ, READ, WRITE, WRITE, WRITE, WRITE, DISCARD, WRITE_ZEROES, FLUSH)[rng.below(11)]
        sector = rng.below(SECTORS)
        count = rng.between(1, min(4, SECTORS - sector))
        if op == FLUSH:
            self.submit([Bio(FLUSH, 0, 0, self)])
        elif op == READ:
            bio = Bio(READ, sector, count * 512, self)
            self.open[id(bio)] = (bio, self.history.begin_read(), None)
            self.submit([bio])
        else:
            self._write(op, sector, count)

    def _write(self, op: int, sector: int, count: int) -> None:
        self.serial += 1
        values = [value_of(self.serial, index) if op == WRITE else 0 for index in range(count)]
        bio = Bio(op, sector, count * 512, self, fill(self.serial, count) if op == WRITE else None)
        self.open[id(bio)] = (bio, self._left_out(), self.history.begin_write(sector, values))
        self.submit([bio])

    def bio_done(self, bio: Bio) -> None:
        super().bio_done(bio)
        self.failed += bio.status != OK
        self.succeeded += bio.status == OK
        found = self.open.pop(id(bio), None)
        if found is None:
            return
        _, started, written = found
        if written is not None:
            # Of a discard that may have been left out behind a fence is known what is of a write that has failed.
            is_done = bio.op != DISCARD or self._left_out() == started
            self.history.end_write(bio.sector, written, bio.status == OK and is_done)
        else:
            assert bio.status != OK or bio.data is not None
            self.history.end_read(bio.sector, started, decode(bio.data) if bio.status == OK and bio.data else None)

    def _left_out(self) -> int:
        device = self.device
        assert isinstance(device, MappedDevice)
        targets = [target for target in device.live_targets() if isinstance(target, Multipath)]
        return sum(target.fences.skipped_discards for target in targets)

    def leave(self) -> None:
        """It dies with everything that it has under way."""
        self.dead = True
        for bio, started, written in self.open.values():
            if written is not None:
                self.history.end_write(bio.sector, written, False)
            else:
                self.history.end_read(bio.sector, started, None)
        self.open = {}


def read_all(world: World, client: Client) -> list[int]:
    bio = client.read(0, SECTORS * 512)
    world.run()
    assert bio.data is not None
    return decode(bio.data)
