"""ScriptClient: submits the operations of a scenario when the exploration says so, and tells the judge of starts and ends."""

from typing import Final

from hawser.block.bio import Bio, BioOwner
from hawser.block.device import BlockDevice
from hawser.block.ops import FLUSH, FUA, PREFLUSH, READ, WRITE
from hawser.block.plug import Plug
from hawser.core.status import OK, status_name
from hawser.core.units import SECTOR_SHIFT
from hawser.lab.explore.judge import TWICE, Judge, name_of
from hawser.lab.explore.scenarios import ClientOp
from hawser.lab.explore.story import Story
from hawser.lab.payload import decode, fill, value_of

# Words of writes -> the flags of their bios.
FLAGS: Final = {"w": 0, "u": FUA, "p": PREFLUSH}


class ScriptClient(BioOwner):
    """`first`: the number of its first operation among all clients'; writes are called by these numbers."""

    def __init__(
        self, name: str, ops: list[ClientOp], first: int, device: BlockDevice, judge: Judge, story: Story
    ) -> None:
        super().__init__()
        self.name = name
        self.ops = ops
        self.first = first
        self.device = device
        self.judge = judge
        self.story = story
        self.next = 0
        self.open: list[Bio] = []
        self.numbers: list[int] = []

    def can_submit(self) -> bool:
        if self.dead or self.next == len(self.ops):
            return False
        return not (self.ops[self.next].barrier and self.open)

    def is_done(self) -> bool:
        return self.dead or (not self.open and self.next == len(self.ops))

    def submit(self) -> None:
        """The next operation, and those that share its plug."""
        plug = Plug()
        joined = True
        while joined:
            self._submit(self.ops[self.next], self.first + self.next, plug)
            self.next += 1
            joined = self.next < len(self.ops) and self.ops[self.next].joined
        plug.finish()

    def _submit(self, what: ClientOp, number: int, plug: Plug) -> None:
        sector, count, judge = what.sector, what.count, self.judge
        if what.op in FLAGS:
            bio = Bio(WRITE, sector, count << SECTOR_SHIFT, self, fill(number, count), FLAGS[what.op])
            judge.begin_write(sector, values_of(number, count))
            if bio.flags & PREFLUSH:
                judge.begin_flush(number)
        elif what.op == "r":
            bio = Bio(READ, sector, count << SECTOR_SHIFT, self)
            judge.begin_read(number, sector, count)
        else:
            bio = Bio(FLUSH, 0, 0, self)
            judge.begin_flush(number)
        if self.story.told:
            self.story.tell(f"{self.name} asks for {self._describe(number, bio)}")
        self.open.append(bio)
        self.numbers.append(number)
        self.device.submit(bio, plug)

    def die(self) -> None:
        """It goes away: nobody hears how what it has open ends."""
        if self.story.told:
            self.story.tell(f"{self.name} dies")
        self.dead = True
        for place, bio in enumerate(self.open):
            self._end(self.numbers[place], bio, False)

    def bio_done(self, bio: Bio) -> None:
        if bio not in self.open:
            self.judge.say(TWICE, f"{bio.describe()} is completed twice")
            return
        place = self.open.index(bio)
        number = self.numbers.pop(place)
        del self.open[place]
        if self.dead:
            return
        ok = bio.status == OK
        if self.story.told:
            self._tell_end(number, bio, ok)
        self._end(number, bio, ok)

    def _end(self, number: int, bio: Bio, ok: bool) -> None:
        count = bio.size >> SECTOR_SHIFT
        if bio.op == WRITE:
            self.judge.end_write(bio.sector, values_of(number, count), ok, bio.flags & FUA != 0)
            if bio.flags & PREFLUSH:
                self.judge.end_flush(number, ok)
        elif bio.op == FLUSH:
            self.judge.end_flush(number, ok)
        else:
            values = [0] * count
            if ok:
                assert bio.data is not None
                values = decode(bio.data)
            self.judge.end_read(number, bio.sector, values, ok)

    def _describe(self, number: int, bio: Bio) -> str:
        if bio.op == FLUSH:
            return "a flush"
        count = bio.size >> SECTOR_SHIFT
        place = f"sector {bio.sector}" if count == 1 else f"sectors {bio.sector}..{bio.sector + count - 1}"
        if bio.op == READ:
            return f"a read of {place}"
        what = "flushing " if bio.flags & PREFLUSH else "FUA " if bio.flags & FUA else ""
        return f"{what}write {number} to {place}"

    def _tell_end(self, number: int, bio: Bio, ok: bool) -> None:
        if not ok:
            self.story.tell(f"{self.name}: {self._describe(number, bio)} fails: {status_name(bio.status)} error")
        elif bio.op == READ:
            assert bio.data is not None
            values = " and ".join([name_of(value) for value in decode(bio.data)])
            self.story.tell(f"{self.name}: {self._describe(number, bio)} returns {values}")
        else:
            self.story.tell(f"{self.name}: {self._describe(number, bio)} is acknowledged")


def values_of(number: int, count: int) -> list[int]:
    return [value_of(number, index) for index in range(count)]
