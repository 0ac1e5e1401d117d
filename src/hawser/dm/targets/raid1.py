"""`raid1 2 DEVICE START DEVICE START`: a mirror of two legs. It stands in for md, which device-mapper multipath is stacked with.

Linux: drivers/md/raid1.c for what it does, drivers/md/dm-raid1.c for its words: the table is what dm-mirror has behind its log,
which a mirror that never copies one leg to the other has no use for; of the status, and of what is measured, too, only log,
progress and how errors are handled are missing:

    2 8:0 8:16 1 AD       two legs, their devices, one word of letters: A in sync; D, F, R failed by a write, a flush, a read

Writes, discards, write zeroes and flushes go to all legs in sync, and end when all have answered. What failed on one leg and
succeeded on another has succeeded; the leg is out from then on, is never read from again, and stays out until the table is
loaded anew. Whoever does that has copied its data meanwhile, and knows that nothing sent to it before is still under way. When
no leg has succeeded the error is the client's, and one leg stays: the last one is never failed. A read that fails is tried on
the other leg; if that can give the data the first is failed, unless the error was the medium's.

Unlike md it keeps the legs alike, and reads atomic, whatever clients do, as long as the legs do not fail different writes at one
time:

- a write waits for one under way that overlaps it, else the legs might carry the two out in different order;
- reads go to the first leg in sync. When that is another one than before they wait for the writes that were under way at the
  change: some may be on the first leg only, and have been read there;
- a read that is tried on the other leg waits for the writes under way, too, and later ones of its sectors wait for it: that leg
  might have what the first one has not yet;
- a write that was sent to one leg is sent to all, even when its client is dead by then; until it ends, reads of its sectors wait.

A write of unknown fate on a leg that is out does no harm here. It is handed up all the same, and a multipath above fences its
sectors until it is proved, as it does with any ghost below it.
"""

from typing import Final

from hawser.block.device import BlockDevice
from hawser.block.ops import FLUSH, NOWAIT, RAHEAD, READ
from hawser.block.plug import Plug
from hawser.block.request import NOT_SENT
from hawser.core.log import LogSink
from hawser.core.status import IOERR, OK, is_path_error, status_name
from hawser.core.trace import MAPPED
from hawser.core.turn import Turn, Work
from hawser.dm.answers import Answer
from hawser.dm.arguments import NOT_A_NUMBER, Arguments, find_device, scan_sector, scan_uint
from hawser.dm.clone import CloneBio
from hawser.dm.target import (
    END_DONE,
    END_INCOMPLETE,
    REMAPPED,
    SUBMITTED,
    TableError,
    Target,
    TargetContext,
    TargetHost,
    register_target,
)
from hawser.dm.targets.raid1_fan import Fan, Leg, ReadTry, overlap, survivor

LEGS: Final = 2
# Bios that may wait here before submitters are held back.
WAITING_MAX: Final = 1024


class _Pump(Work):
    def __init__(self, target: "Raid1Target") -> None:
        self.target = target

    def run(self) -> None:
        self.target.pump()


class _WaitingRead:
    """Goes when the writes up to the one numbered `barrier` have ended."""

    def __init__(self, clone: CloneBio, barrier: int) -> None:
        self.clone = clone
        self.barrier = barrier


class Raid1Target(Target):
    """Writes are numbered in the order in which they are sent."""

    def __init__(self, context: TargetContext, start: int, length: int, words: list[str]) -> None:
        super().__init__("raid1", start, length)
        self.lookup_error = "Device lookup failure"
        self.host: TargetHost = context.host
        self.turn: Turn = context.turn
        self.log: LogSink = context.log
        self.legs: list[Leg] = self._legs(context, words)
        self._serial = 0
        self._under_way: dict[int, Fan] = {}
        self._waiting: list[CloneBio] = []
        self._reads: list[_WaitingRead] = []
        # Reads that are tried on the other leg, whether they wait or are on their way.
        self._strays: list[CloneBio] = []
        # The last write that was under way when reads moved to another leg; how many of those under way are of dead clients.
        self._barrier = 0
        self._haunting = 0
        self._pump = _Pump(self)
        self._pumping = False

    def _legs(self, context: TargetContext, words: list[str]) -> list[Leg]:
        arguments = Arguments(words)
        count = scan_uint(words[0]) if words else NOT_A_NUMBER
        if count != LEGS:
            raise TableError("Invalid number of mirrors")
        arguments.shift()
        if arguments.left() < 2 * LEGS:
            raise TableError("Too few mirror arguments")
        legs = [self._leg(context, words[1 + 2 * number], words[2 + 2 * number]) for number in range(LEGS)]
        if arguments.left() > 2 * LEGS:
            raise TableError("Too many mirror arguments")
        return legs

    def _leg(self, context: TargetContext, name: str, word: str) -> Leg:
        offset = scan_sector(word)
        if offset == NOT_A_NUMBER:
            raise TableError("Invalid offset")
        return Leg(find_device(context, name, self.lookup_error), offset)

    def devices(self) -> list[BlockDevice]:
        first, second = self.legs[0].device, self.legs[1].device
        return [first] if first is second else [first, second]

    def areas(self) -> list[tuple[BlockDevice, int, int]]:
        return [(leg.device, leg.offset, self.length) for leg in self.legs]

    def map_bio(self, clone: CloneBio) -> int:
        if clone.op == READ:
            return self._map_read(clone)
        self._waiting.append(clone)
        self._schedule()
        return SUBMITTED

    def end_bio(self, clone: CloneBio) -> int:
        return self._end_read(clone) if clone.op == READ else END_DONE

    # Reads: of the first leg in sync.

    def _map_read(self, clone: CloneBio) -> int:
        if self._read_waits(clone, self._barrier):
            self._reads.append(_WaitingRead(clone, self._barrier))
            return SUBMITTED
        leg = self._first_leg()
        this = clone.context
        if isinstance(this, ReadTry) and this.failed is not None:
            leg = self._other_leg(this.failed) or leg
            this.leg = leg
        else:
            clone.context = leg.first_try
        clone.device = leg.device
        clone.sector = leg.offset + clone.sector - self.start
        return REMAPPED

    def _end_read(self, clone: CloneBio) -> int:
        this = clone.context
        assert isinstance(this, ReadTry)
        if clone in self._strays:
            self._strays.remove(clone)
            if self._waiting:
                self._schedule()
        if clone.status == OK:
            if not this.leg.in_sync:
                return self._read_again(clone, this.leg, OK)
            if this.failed is not None and this.failed_status != OK and is_path_error(this.failed_status):
                self._fail(this.failed, "R", this.failed_status)
            return END_DONE
        other = self._other_leg(this.leg)
        if other is None or other is this.failed or clone.flags & (RAHEAD | NOWAIT) or clone.client().dead:
            return END_DONE
        return self._read_again(clone, this.leg, clone.status)

    def _read_again(self, clone: CloneBio, leg: Leg, status: int) -> int:
        """On the other leg: as if reads had moved there, for this one."""
        clone.context = ReadTry(leg, leg, status)
        self._strays.append(clone)
        self._reads.append(_WaitingRead(clone, self._serial))
        self._schedule()
        return END_INCOMPLETE

    def _read_waits(self, clone: CloneBio, barrier: int) -> bool:
        under_way = self._under_way
        if not under_way:
            return False
        if next(iter(under_way)) <= barrier:
            return True
        if self._haunting:
            for fan in under_way.values():
                if fan.haunts and overlap(fan.whole, clone.original):
                    return True
        return False

    def _first_leg(self) -> Leg:
        return self.legs[0] if self.legs[0].in_sync else self.legs[1]

    def _other_leg(self, leg: Leg) -> Leg | None:
        """Another leg in sync."""
        for other in self.legs:
            if other is not leg and other.in_sync:
                return other
        return None

    # Writes, and what else goes to all legs.

    def _schedule(self) -> None:
        if not self._pumping:
            self._pumping = True
            self.turn.defer(self._pump)

    def pump(self) -> None:
        """Send what may go now: that of a batch to one leg, then to the other, so that it merges on both."""
        self._pumping = False
        waiting = self._waiting
        self._waiting = []
        fans: list[Fan] = []
        for clone in waiting:
            if self._write_waits(clone):
                self._waiting.append(clone)
            else:
                fans.append(self._begin(clone))
        plug = Plug()
        for number in range(LEGS):
            for fan in fans:
                fan.submit(number, plug)
        plug.finish()
        self._release_reads()

    def _write_waits(self, clone: CloneBio) -> bool:
        """Whether an overlapping one is under way, or came earlier and waits itself, or a read of it strays."""
        if clone.op == FLUSH:
            return False
        for fan in self._under_way.values():
            if overlap(fan.whole, clone):
                return True
        for earlier in self._waiting:
            if overlap(earlier, clone):
                return True
        return any(overlap(stray.original, clone) for stray in self._strays)

    def _begin(self, clone: CloneBio) -> Fan:
        fan = Fan(clone, self, self.start, self.legs)
        if clone.life is not None:
            names = " and ".join(leg.device.name for leg in self.legs if leg.in_sync)
            clone.life.note(MAPPED, f"raid1: to {names}")
        if clone.op != FLUSH:
            self._serial += 1
            fan.serial = self._serial
            self._under_way[fan.serial] = fan
        return fan

    def _release_reads(self) -> None:
        reads = self._reads
        self._reads = []
        ready: list[CloneBio] = []
        for read in reads:
            if self._read_waits(read.clone, read.barrier):
                self._reads.append(read)
            else:
                ready.append(read.clone)
        if ready:
            self.host.map_again(ready)

    def fan_done(self, fan: Fan) -> None:
        """All legs have answered."""
        if fan.serial:
            del self._under_way[fan.serial]
            if fan.haunts:
                self._haunting -= 1
        status = self._judge(fan)
        if self._waiting or self._reads:
            self._schedule()
        fan.whole.complete(status)

    def _judge(self, fan: Fan) -> int:
        """What a write has come to, for the legs and for its client. What counts is what a leg in sync has."""
        letter = "F" if fan.whole.op == FLUSH else "D"
        answers = fan.answers_in_sync()
        keeper = survivor(answers)
        if keeper is not None:
            for answer in answers:
                if answer is not keeper and answer.status != OK:
                    self._fail(answer.leg, letter, answer.status)
        else:
            keeper = answers[0]
        if keeper.status == OK:
            fan.forget_fenced_below()
        else:
            fan.whole.fate = keeper.fate
        return keeper.status

    def _fail(self, leg: Leg, letter: str, status: int) -> None:
        if not leg.in_sync or self._other_leg(leg) is None:
            return
        if leg is self._first_leg():
            self._barrier = self._serial
        leg.letter = letter
        leg.in_sync = False
        name = self.host.name()
        self.log.error(
            f"raid1: {name}: Disk failure on {leg.device.devt} ({status_name(status)} error), disabling device."
        )
        self.log.error(f"raid1: {name}: Operation continuing on 1 devices.")
        self.host.raise_event()

    # Control.

    def bounce(self) -> None:
        """The path through the mirror has failed; its legs have not. What has reached one leg must reach the other."""

    def cancel_dead(self) -> None:
        """What waits here of dead clients fails. What is under way ends, on all legs."""
        for fan in self._under_way.values():
            if not fan.haunts and fan.whole.client().dead:
                fan.haunts = True
                self._haunting += 1
        dead = [clone for clone in self._waiting if clone.client().dead]
        dead += [read.clone for read in self._reads if read.clone.client().dead]
        self._waiting = [clone for clone in self._waiting if not clone.client().dead]
        self._reads = [read for read in self._reads if not read.clone.client().dead]
        self._strays = [clone for clone in self._strays if clone not in dead]
        self._end_unsent(dead)

    def abandon(self) -> None:
        unsent = self._waiting + [read.clone for read in self._reads]
        self._waiting = []
        self._reads = []
        self._strays = [clone for clone in self._strays if clone not in unsent]
        self._end_unsent(unsent)

    def _end_unsent(self, clones: list[CloneBio]) -> None:
        for clone in clones:
            clone.fate = NOT_SENT
            self.turn.defer(Answer(self.host, clone, IOERR))

    def idle(self) -> bool:
        return not (self._waiting or self._reads or self._under_way)

    def congested(self) -> bool:
        return len(self._waiting) + len(self._reads) >= WAITING_MAX

    def status_info(self) -> str:
        names = [leg.device.devt for leg in self.legs]
        return " ".join([str(LEGS), *names, "1", "".join(leg.letter for leg in self.legs)])

    def status_ima(self) -> str:
        words = [f"nr_mirrors={LEGS}"]
        for number, leg in enumerate(self.legs):
            words += [f"mirror_device_{number}={leg.device.devt}", f"mirror_device_{number}_status={leg.letter}"]
        return self.measured(words)

    def status_table(self) -> str:
        words = [str(LEGS)]
        for leg in self.legs:
            words += [leg.device.devt, str(leg.offset)]
        return " ".join(words)


register_target("raid1", Raid1Target)
