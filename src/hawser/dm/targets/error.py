"""`error`: every I/O fails, in either way of I/O; it may replace any table. Linux: drivers/md/dm-target.c (io_err)."""

from hawser.block.request import Request
from hawser.dm.clone import CloneBio
from hawser.dm.target import HYBRID, KILL, Target, TargetContext, register_target


class ErrorTarget(Target):
    """Takes any words, and prints none."""

    def __init__(self, context: TargetContext, start: int, length: int, words: list[str]) -> None:
        super().__init__("error", start, length)
        self.kind = HYBRID
        self.wildcard = True

    def map_bio(self, clone: CloneBio) -> int:
        return KILL

    def clone_and_map(self, request: Request) -> int:
        return KILL


register_target("error", ErrorTarget)
