"""PathFacts: what a path says about the disk at its end, by which it is known again.

Two paths to one disk agree on whether it may be written, and on the WWID where both know one; on its size unless it is about to
grow. What a server calls its export says something only beside what the same server called it before.
"""

from dataclasses import dataclass, replace
from typing import Final

# A serial number is the vendor's own, and names the disk as something else than a WWID (naa., eui., t10., nvme.) does.
SERIAL: Final = "serial."


@dataclass(frozen=True)
class PathFacts:
    """`block_size`: the smallest unit it takes, in bytes. `rmw_unit`: the largest block that it may read, modify and
    write back. `wwid` is the disk's own or a declared one, `export_name` and `description` are a server's words; each is empty
    where it is not known."""

    size_bytes: int
    block_size: int
    rmw_unit: int
    read_only: bool
    can_flush: bool
    can_fua: bool
    can_discard: bool
    can_zero: bool
    max_bytes: int
    wwid: str = ""
    export_name: str = ""
    description: str = ""

    def differs_from(self, other: "PathFacts") -> str:
        """Why the two paths cannot lead to one disk; empty when they can. Of sizes content has to tell."""
        if self.read_only != other.read_only:
            return "it is read-only" if self.read_only else "it is writable and was read-only"
        if self.block_size > other.block_size:
            return f"its block size is {self.block_size} bytes, not {other.block_size}"
        return wwids_differ(self.wwid, other.wwid)

    def changed_from(self, before: "PathFacts") -> str:
        """Why this cannot be the disk that the same path led to before; empty when it can. It may have grown."""
        if self.size_bytes < before.size_bytes:
            return f"its size is {self.size_bytes} bytes, not {before.size_bytes}"
        difference = self.differs_from(before)
        if difference:
            return difference
        if self.export_name and before.export_name and self.export_name != before.export_name:
            return f"the server calls its export {self.export_name!r}, not {before.export_name!r}"
        if self.description and before.description and self.description != before.description:
            return f"the server describes it as {self.description!r}, not {before.description!r}"
        return ""

    def known_since(self, before: "PathFacts") -> "PathFacts":
        """`before`, with what was not known of it then."""
        return replace(
            before,
            wwid=before.wwid or self.wwid,
            export_name=before.export_name or self.export_name,
            description=before.description or self.description,
        )


def wwids_differ(wwid: str, other: str) -> str:
    """Why what has the one cannot be what has the other; empty when it can, or nothing is known of one of them."""
    if not wwid or not other or wwid == other or wwid.startswith(SERIAL) != other.startswith(SERIAL):
        return ""
    return f"its WWID is {wwid!r}, not {other!r}"
