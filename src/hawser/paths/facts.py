"""PathFacts: what a path says about the disk at its end. Two paths to one disk agree on size and on whether it may be written."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PathFacts:
    """`block_size`: the smallest unit it takes, in bytes. `rmw_unit`: the largest block that it may read, modify and
    write back."""

    size_bytes: int
    block_size: int
    rmw_unit: int
    read_only: bool
    can_flush: bool
    can_fua: bool
    can_discard: bool
    can_zero: bool
    max_bytes: int

    def differs_from(self, other: "PathFacts") -> str:
        """Why the two cannot be the same disk; empty when they can."""
        if self.size_bytes != other.size_bytes:
            return f"its size is {self.size_bytes} bytes, not {other.size_bytes}"
        if self.read_only != other.read_only:
            return "it is read-only" if self.read_only else "it is writable and was read-only"
        if self.block_size > other.block_size:
            return f"its block size is {self.block_size} bytes, not {other.block_size}"
        return ""
