"""What programs wait for: bios that they have submitted, and time."""

from hawser.block.bio import Bio, BioOwner
from hawser.core.status import OK
from hawser.dm.condition import Condition


class Bios(BioOwner):
    """Several bios of a program on processor `cpu`, waited for together; `status` is the first error among them."""

    def __init__(self, cpu: int) -> None:
        super().__init__()
        self.cpu = cpu
        self.left = 0
        self.status = OK

    def bio(
        self, op: int, sector: int, size: int, data: bytes | bytearray | memoryview | None = None, flags: int = 0
    ) -> Bio:
        """One more of them."""
        self.left += 1
        return Bio(op, sector, size, self, data, flags)

    def bio_done(self, bio: Bio) -> None:
        self.left -= 1
        if bio.status != OK and self.status == OK:
            self.status = bio.status


class AllDone(Condition):
    """None of the bios is outstanding any more."""

    def __init__(self, bios: Bios) -> None:
        super().__init__()
        self.bios = bios

    def ready(self) -> bool:
        return self.bios.left == 0
