"""Target: what a table line makes. It maps I/O onto devices below, and is asked what to do when that I/O ends.

Linux: struct dm_target and struct target_type (include/linux/device-mapper.h). The vocabulary of results is the kernel's. A
target of the bio-based kind overrides `map_bio` and may override `end_bio`; one that can be request-based overrides
`clone_and_map`, `release_clone` and `end_request`; one that does both leaves the choice to `queue_mode()`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mypy_extensions import mypyc_attr

from hawser.block.device import BlockDevice
from hawser.block.disk import Disk
from hawser.block.dispatch import DispatchQueue
from hawser.block.flush import FlushGate
from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD, FLUSH, WRITE_ZEROES
from hawser.block.request import Request, RequestOwner
from hawser.core.clock import Clock, Timers
from hawser.core.log import LogSink
from hawser.core.turn import Turn
from hawser.core.units import SECTOR_SHIFT, is_number
from hawser.dm.parameters import Parameters
from hawser.dm.passage import IoctlError, Passage

if TYPE_CHECKING:
    from hawser.dm.clone import CloneBio

# What map_bio and clone_and_map say (DM_MAPIO_*).
SUBMITTED: Final = 0
REMAPPED: Final = 1
REQUEUE: Final = 2
DELAY_REQUEUE: Final = 3
KILL: Final = 4

# What end_bio and end_request say (DM_ENDIO_*).
END_DONE: Final = 0
END_INCOMPLETE: Final = 1
END_REQUEUE: Final = 2
END_DELAY_REQUEUE: Final = 3
# Not the kernel's: requeue each bio of a merged request by itself.
END_APART: Final = 4

# Kinds of stacking.
BIO_BASED: Final = "bio"
REQUEST_BASED: Final = "request"
HYBRID: Final = "hybrid"


class TableError(ValueError):
    """A table that cannot be used. The message is the kernel's where it has one; `errno_name` is what the ioctl would give.

    `log` is all that the kernel logs about it, without its prefix `device-mapper: `; the message is the first line's. Nobody has
    logged it yet.
    """

    def __init__(self, message: str, errno_name: str = "EINVAL", log: list[str] | None = None) -> None:
        super().__init__(message)
        self.errno_name = errno_name
        self.log: list[str] = log if log is not None else []


class MessageError(ValueError):
    """A message that was refused. `is_logged`: whether the kernel's log says so, too; `of_core`: the target was not asked."""

    def __init__(self, message: str, errno_name: str = "EINVAL", is_logged: bool = True, of_core: bool = False) -> None:
        super().__init__(message)
        self.errno_name = errno_name
        self.is_logged = is_logged
        self.of_core = of_core


@mypyc_attr(allow_interpreted_subclasses=True)
class DeviceFinder:
    """How a table finds the devices it names: by `major:minor`, by name, or by whatever else the world allows (a URI)."""

    def find(self, name: str) -> BlockDevice | None:
        raise NotImplementedError

    def why(self, name: str) -> str:
        """The errno of a name that `find` does not know. Linux: dm_devt_from_path(), bdev_file_open_by_dev()."""
        return "ENXIO" if is_device_number(name) else "ENOENT"

    def cpus(self) -> int:
        """How many CPUs submit I/O (Linux: nr_cpu_ids); 0 where connections do, whose number nobody knows beforehand."""
        return 0

    def module_parameters(self) -> Parameters:
        """What is set for the whole machine: the defaults, unless the world has some."""
        return Parameters()


@mypyc_attr(allow_interpreted_subclasses=True)
class TargetHost:
    """What a target may ask of the mapped device that it is part of."""

    def requeue_request(self, request: Request, delayed: bool) -> None:
        """Take back an original that the target kept (SUBMITTED), to be mapped again."""
        raise NotImplementedError

    def kick_requeued(self) -> None:
        """Originals that wait out a delay need not."""
        raise NotImplementedError

    def clone_owner(self) -> RequestOwner:
        """Who clones of requests report to."""
        raise NotImplementedError

    def finish_request(self, clone: Request) -> None:
        """End the original of a clone for which `end_request` said INCOMPLETE, with the clone's status."""
        raise NotImplementedError

    def succeed_request(self, request: Request) -> None:
        """End an original that the target kept, with success, though nothing was done. Not from within `clone_and_map`."""
        raise NotImplementedError

    def map_again(self, clones: "list[CloneBio]") -> None:
        """Map clones that the target kept."""
        raise NotImplementedError

    def begin_bio(self, clone: "CloneBio") -> None:
        """A clone that the target kept goes down now, and counts from here on (`accounts_remapped`)."""
        raise NotImplementedError

    def finish_bio(self, clone: "CloneBio") -> None:
        """End the original of a clone that the target kept, with the clone's status."""
        raise NotImplementedError

    def lend_tags(self, count: int) -> None:
        """So many more requests (or, negative, fewer) are kept for a proof. Their tags shall not be missing to others."""
        raise NotImplementedError

    def look_again(self) -> None:
        """Something that a suspend may wait for is settled."""
        raise NotImplementedError

    def reads_done(self) -> int:
        """How many reads of the device have ended, as its statistics have it."""
        raise NotImplementedError

    def raise_event(self) -> None:
        """Something happened that `dmsetup wait` waits for."""
        raise NotImplementedError

    def name(self) -> str:
        """`major:minor` of the device, as log lines have it."""
        raise NotImplementedError


@dataclass(frozen=True)
class TargetContext:
    """What the world and the device give a target when it is made."""

    devices: DeviceFinder
    host: TargetHost
    turn: Turn
    clock: Clock
    timers: Timers
    log: LogSink
    # What the live table of the device leads to: a new one that names no device still means that disk.
    disk: Disk | None = None


@mypyc_attr(allow_interpreted_subclasses=True)
class Target(FlushGate):
    """`start` and `length` in sectors of the mapped device. Subclasses set the facts of their kind in their constructor."""

    def __init__(self, type_name: str, start: int, length: int) -> None:
        self.type_name = type_name
        self.start = start
        self.length = length
        self.kind = BIO_BASED
        # Whether an error of it is an error of a device below.
        self.passes_on = False
        # Whether a sector of the device may have another number below: what is orphaned there is known by an echo above.
        self.moves_sectors = False
        # A longer read or write is cut at multiples of this from the target's start; 0: never (Linux: ti->max_io_len).
        self.max_io_sectors = 0
        # How many copies it gets of a flush, of a discard and of write zeroes. With none, a flush has nothing to do here, and
        # the others are not supported. Unlike the kernel, where a target that says nothing gets none.
        self.num_flush_bios = 1
        self.num_discard_bios = 1
        self.num_write_zeroes_bios = 1
        # Whether it takes discards even where devices below do not (Linux: ti->discards_supported).
        self.discards_supported = False
        # Whether a flush may go straight to the devices below (Linux: ti->flush_bypasses_map).
        self.flush_bypasses_map = False
        # Whether it tells of its devices. A table of which that is unknown never counts as one without (Linux: iterate_devices).
        self.iterates_devices = True
        # Whether it tells who watches itself where it maps I/O to, as it has reasons to give.
        self.explains = False
        # Whether what it keeps counts only when it goes down (Linux: ti->accounts_remapped_io).
        self.accounts_remapped = False
        # What it says of a device that it cannot use.
        self.lookup_error = "error getting device"

    def target_type(self) -> "TargetType":
        return TARGETS[self.type_name]

    def queue_mode(self) -> str:
        """`bio`, `rq` or `mq` where the target decides the kind itself, or an empty string."""
        return ""

    def devices(self) -> list[BlockDevice]:
        """The devices below, in table order, each once."""
        return []

    def areas(self) -> list[tuple[BlockDevice, int, int]]:
        """What is used of the devices below: (device, start, length) in sectors. Looked at when the table becomes live."""
        return [(device, 0, self.length) for device in self.devices()]

    def own_disk(self) -> Disk | None:
        """The disk whose doubts it heeds itself, whatever lies below."""
        return None

    def limits(self, below: QueueLimits) -> QueueLimits:
        """The limits of this stretch, given those stacked from the devices below. Linux: io_hints."""
        return below

    def room(self, sector: int, op: int) -> int:
        """How many bytes one I/O from `sector` of the device on may have here. Linux: max_io_len()."""
        offset = sector - self.start
        left = self.length - offset
        if self.max_io_sectors and op < DISCARD:
            left = min(left, self.max_io_sectors - offset % self.max_io_sectors)
        return left << SECTOR_SHIFT

    def copies_of(self, op: int) -> int:
        """How many copies of such a bio it gets; `CloneBio.number` tells them apart."""
        if op == FLUSH:
            return self.num_flush_bios
        if op == DISCARD:
            return self.num_discard_bios
        return self.num_write_zeroes_bios if op == WRITE_ZEROES else 1

    def map_bio(self, clone: "CloneBio") -> int:
        """Set `clone.device` and sector and say REMAPPED; or keep it: SUBMITTED; or REQUEUE, KILL."""
        raise NotImplementedError

    def end_bio(self, clone: "CloneBio") -> int:
        """A mapped clone has ended with `clone.status`, which may be changed here."""
        return END_DONE

    def busy(self) -> bool:
        """Whether a request mapped now would only wait below."""
        return False

    def starve(self, queue: DispatchQueue) -> None:
        """`queue` of the device has nothing in flight, and found no tag below: whoever frees one there shall let it know."""
        for device in self.devices():
            if device.queue is not None:
                device.queue.starve(queue)

    def clone_and_map(self, request: Request) -> int:
        """Set `request.mapped` to a clone for a queue below and say REMAPPED; or SUBMITTED, REQUEUE, DELAY_REQUEUE, KILL."""
        raise NotImplementedError

    def release_clone(self, clone: Request) -> None:
        """The clone was refused below and is forgotten: undo what mapping it has counted."""

    def end_request(self, clone: Request) -> int:
        """A clone has ended with `clone.status`, which may be changed here."""
        return END_DONE

    def may_tell(self, clone: Request) -> bool:
        """Whether the success of a clone may be told at all. Asked of writes with FUA."""
        return True

    def withholds(self, clone: Request) -> bool:
        """Asked of clones that have left orphans or whose original has some. True: the success must not be told yet, and the
        target keeps the clone. It may also take back a good prefix (`clone.good_bytes`)."""
        return False

    # Suspend and resume, in the order of the calls. Linux: the hooks of the same names in struct target_type.

    def presuspend(self, noflush: bool) -> None:
        """A suspend has begun. Let go of what is parked: it fails, or (`noflush`) goes back to the device."""

    def presuspend_undo(self) -> None:
        """It was cancelled."""

    def quiesce(self) -> bool:
        """Asked during a suspend when all I/O has come back: begin nothing more. Whether nothing is under way; else the host is
        told to `look_again` when it has ended."""
        return True

    def postsuspend(self) -> None:
        """Nothing is in flight, but for what is withheld when it was a noflush suspend."""

    def resume(self) -> None:
        """I/O is about to flow (again)."""

    def ghosts(self) -> list[str]:
        """What may still take effect below, although everything that was asked for has been answered: for people."""
        return []

    def withheld(self) -> int:
        """How many I/Os have succeeded here without being told yet: they outlive a noflush suspend, and the table."""
        return 0

    def abandon(self) -> None:
        """The process ends: what waits here for something that nobody will do any more fails."""

    def bounce(self) -> None:
        """The path that leads through here has failed: so has whatever waits below."""
        for device in self.devices():
            device.bounce()

    def cancel_dead(self) -> None:
        """Fail what is parked here for clients that are dead."""

    def idle(self) -> bool:
        """Whether nothing is parked here."""
        return True

    def congested(self) -> bool:
        """Whether so much is parked here that submitters should hold back."""
        return False

    def message(self, words: list[str]) -> str:
        """A `dmsetup message`. Returns the reply's text, mostly empty. MessageError when it is refused."""
        raise MessageError("Target type does not support messages", of_core=True)

    def prepare_ioctl(self) -> Passage:
        """Where an ioctl goes that is not for device mapper. IoctlError (hawser.dm.passage)."""
        raise IoctlError("ENOTTY", f"{self.type_name}: passes no ioctl on")

    def status_info(self) -> str:
        """The words behind the type in `dmsetup status`."""
        return ""

    def status_ima(self) -> str:
        """The words behind the type in `dmsetup measure`: what the kernel's integrity measurement records of it. Types that
        Linux measures nothing of have none. Documentation/admin-guide/device-mapper/dm-ima.rst."""
        return ""

    def measured(self, words: list[str]) -> str:
        """Those words, made of `NAME=VALUE` ones, with the type's name and version before them. DMEMIT_TARGET_NAME_VERSION()."""
        head = [f"target_name={self.type_name}", f"target_version={self.target_type().version}"]
        return ",".join(head + words) + ";"

    def status_table(self) -> str:
        """The words behind the type in `dmsetup table`, in canonical form."""
        return ""

    def destroy(self) -> None:
        """The table goes away; nothing of it is in flight or withheld."""


def is_device_number(name: str) -> bool:
    """Whether `name` is a `major:minor`."""
    major, _, minor = name.partition(":")
    return is_number(major) and is_number(minor)


TargetMaker = Callable[[TargetContext, int, int, list[str]], Target]


@dataclass(frozen=True)
class TargetType:
    """What is known of a type before any target is made: struct target_type, the flags are its features (DM_TARGET_*).

    `singleton`: it stands alone in its table. `immutable`: nothing of another type stands beside it, or replaces it.
    `wildcard`: but one of this type may. `nowait`: it never blocks.
    """

    name: str
    make: TargetMaker
    version: str
    singleton: bool = False
    immutable: bool = False
    wildcard: bool = False
    nowait: bool = False


TARGETS: Final[dict[str, TargetType]] = {}


def register_target(
    name: str,
    make: TargetMaker,
    version: str = "1.0.0",
    singleton: bool = False,
    immutable: bool = False,
    wildcard: bool = False,
    nowait: bool = False,
) -> None:
    """Offer a target type. `make(context, start, length, words)` raises TableError on words it cannot use."""
    assert name not in TARGETS
    TARGETS[name] = TargetType(name, make, version, singleton, immutable, wildcard, nowait)
