"""The disks of a batch: what its maps stand on, declared as `disk NAME KIND [size=SIZE] [delay=SECONDS] [depth=N]`.

Each is described in the way in which a transcript describes a machine's disks (hawser.lab.linux.build), and made from that.
"""

from dataclasses import dataclass
from typing import Any, Final

from hawser.core.units import GIB, MIB, SECTOR_SHIFT, parse_seconds_ns, parse_size
from hawser.lab.linux.scsi_debug import DELAY_OVERRIDDEN

SIZE_DEFAULT: Final = 32 * MIB
SIZE_MAX: Final = 1 << 40
# Of one whose data is kept.
KEPT_MAX: Final = 4 * GIB
DEPTH_DEFAULT: Final = 128
DEPTH_MAX: Final = 4096
DISKS_MAX: Final = 1024
RAM: Final = "ram"
ZERO: Final = "zero"
ERROR: Final = "error"
NULL: Final = "null"
SCSI: Final = "scsi"
KINDS: Final = (RAM, ZERO, ERROR, NULL, SCSI)
MAJORS: Final = {RAM: 1, ZERO: 1, ERROR: 1, NULL: 253, SCSI: 8}
BRD_QUEUE: Final = {"max_sectors_kb": 127, "max_hw_sectors_kb": 127, "max_segments": 128, "discard_granularity": 4096}
DISCARDS: Final = {"discard_max_bytes": 1 << 30, "discard_max_hw_bytes": 1 << 30}
QUEUE: Final = {
    "max_sectors_kb": 1280,
    "max_segments": 128,
    "max_segment_size": 65536,
    "scheduler": "[none] mq-deadline",
}


class DiskError(ValueError):
    """A disk that cannot be made; the text says why, and what would be right."""


@dataclass(frozen=True)
class DiskSpec:
    """`delay_ns` is how long a command takes, `depth` how many it takes at a time; of those that have a queue."""

    name: str
    kind: str
    size_bytes: int
    delay_ns: int
    depth: int


def parse_disk(words: list[str]) -> DiskSpec:
    """What stands behind the word `disk`. DiskError when it says nothing that could be made."""
    if len(words) < 2:
        raise DiskError(f"disk NAME KIND [size=SIZE] [delay=SECONDS] [depth=N], with KIND one of {', '.join(KINDS)}")
    name, kind = words[0], words[1]
    if not name or "/" in name or not name.isprintable() or name in ("mapper", ".", ".."):
        raise DiskError(f"disk {name!r}: a name is one word without a slash")
    if kind not in KINDS:
        raise DiskError(f"disk {name}: kind {kind!r} is none of {', '.join(KINDS)}")
    size_bytes, delay_ns, depth = SIZE_DEFAULT, 0, DEPTH_DEFAULT
    for word in words[2:]:
        option, equals, value = word.partition("=")
        has_queue = kind in (NULL, SCSI)
        if not equals or option not in ("size", "delay", "depth") or (option != "size" and not has_queue):
            known = "size=, delay=, depth=" if has_queue else "size="
            raise DiskError(f"disk {name}: {word!r} is none of its options; a {kind} disk has {known}")
        try:
            if option == "size":
                size_bytes = parse_size(value)
            elif option == "delay":
                delay_ns = parse_seconds_ns(value)
            else:
                depth = int(value)
        except ValueError as error:
            raise DiskError(f"disk {name}: {option}: {error}") from None
    most = SIZE_MAX if kind in (ZERO, ERROR) else KEPT_MAX
    if not 0 < size_bytes <= most or size_bytes % (1 << SECTOR_SHIFT):
        raise DiskError(f"disk {name}: size: whole sectors of 512 bytes, at most {most} bytes of a {kind} disk")
    if not 0 < depth <= DEPTH_MAX:
        raise DiskError(f"disk {name}: depth: 1 to {DEPTH_MAX}")
    return DiskSpec(name, kind, size_bytes, delay_ns, depth)


class DiskBook:
    """The disks that were declared. Those of kind scsi are paths to one disk: they share a store, its size and its delay."""

    def __init__(self) -> None:
        self.specs: dict[str, DiskSpec] = {}

    def describe(self, spec: DiskSpec) -> dict[str, Any]:
        """Note a disk, and say what a machine needs to make it. DiskError when it does not fit to the others."""
        if spec.name in self.specs:
            raise DiskError(f"disk {spec.name}: there is one of that name")
        if len(self.specs) >= DISKS_MAX:
            raise DiskError(f"disk {spec.name}: there are at most {DISKS_MAX}")
        for other in self.specs.values():
            alike = (other.size_bytes, other.delay_ns) == (spec.size_bytes, spec.delay_ns)
            if spec.kind == other.kind == SCSI and not alike:
                raise DiskError(
                    f"disk {spec.name}: scsi disks are paths to one disk: its size and delay are those of {other.name}"
                )
        major = MAJORS[spec.kind]
        number = sum(1 for other in self.specs.values() if MAJORS[other.kind] == major)
        self.specs[spec.name] = spec
        facts: dict[str, Any] = {
            "node": f"/dev/{spec.name}",
            "dev": f"{major}:{number * 16 if spec.kind == SCSI else number}",
            "sectors": spec.size_bytes >> SECTOR_SHIFT,
            "kind": {RAM: "brd", NULL: "null_blk", SCSI: "scsi_debug"}.get(spec.kind, spec.kind),
            "backing": {"memory": "own"},
        }
        if spec.kind == NULL:
            timed = {"irqmode": 2, "completion_nsec": spec.delay_ns} if spec.delay_ns else {}
            facts.update(params={"memory_backed": 1, **timed}, queue={**QUEUE, "nr_requests": spec.depth})
        elif spec.kind == SCSI:
            settings = {"delay": DELAY_OVERRIDDEN, "ndelay": spec.delay_ns, "max_queue": spec.depth}
            cache = {"write_cache": "write back", "fua": 1}
            facts.update(
                params={"effective": settings},
                hctl=f"{number}:0:0:0",
                scsi={"queue_depth": spec.depth, "state": "running", "dh_state": "detached"},
                queue={**QUEUE, **cache, "nr_requests": spec.depth},
            )
        else:
            facts.update(queue={**BRD_QUEUE, **(DISCARDS if spec.kind == RAM else {})})
        return facts
