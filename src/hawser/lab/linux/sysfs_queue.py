"""The `queue` folder of a block device, with `iosched` in it: what it shows, and what can be set.

Linux: block/blk-sysfs.c, block/elevator.c, and blk_validate_limits() in blk-settings.c for the limits that follow from others.
What the header says of a device is shown as long as nothing here knows better.
"""

from dataclasses import replace
from typing import Final

from hawser.block.device import BlockDevice
from hawser.block.elevators.base import ELEVATORS
from hawser.block.limits import MAX_SECTORS_DEFAULT, QueueLimits
from hawser.block.queue import RequestQueue
from hawser.block.stats import IN_FLIGHT_FIELD
from hawser.core.clock import Clock
from hawser.core.units import KIB, SECTOR_SHIFT
from hawser.dm.mapped_device import MappedDevice
from hawser.lab.linux.facts import Facts
from hawser.lab.linux.files import OsError
from hawser.lab.linux.folder import UINT_MAX, Folder, parse_number
from hawser.lab.linux.limits import WRITE_BACK, WRITE_THROUGH, shown
from hawser.lab.linux.page_cache import PAGE, default_read_ahead_pages

# Linux: BLKDEV_MIN_RQ, MAX_SCHED_RQ, BLKDEV_DEFAULT_RQ; wbt_default_latency_nsec().
REQUESTS_MIN: Final = 4
SCHEDULED_REQUESTS_MAX: Final = 2048
REQUESTS_DEFAULT: Final = 128
LATENCY_USEC: Final = 2000
LATENCY_ROTATIONAL_USEC: Final = 75000
SCHEDULER_ORDER: Final = ("none", "mq-deadline")

# What every queue has, and what it shows where nothing else is known.
COMMON: Final[dict[str, str]] = {
    "add_random": "0",
    "atomic_write_boundary_bytes": "0",
    "atomic_write_max_bytes": "0",
    "atomic_write_unit_max_bytes": "0",
    "atomic_write_unit_min_bytes": "0",
    "chunk_sectors": "0",
    "dax": "0",
    "discard_granularity": "0",
    "discard_max_bytes": "0",
    "discard_max_hw_bytes": "0",
    "discard_zeroes_data": "0",
    "dma_alignment": "511",
    "fua": "0",
    "hw_sector_size": "512",
    "io_poll": "0",
    "io_poll_delay": "-1",
    "iostats": "1",
    "logical_block_size": "512",
    "max_discard_segments": "1",
    "max_hw_sectors_kb": "",
    "max_integrity_segments": "0",
    "max_sectors_kb": "",
    "max_segment_size": "",
    "max_segments": "",
    "minimum_io_size": "512",
    "nomerges": "0",
    "nr_zones": "0",
    "optimal_io_size": "0",
    "physical_block_size": "512",
    "read_ahead_kb": "128",
    "rotational": "0",
    "stable_writes": "0",
    "virt_boundary_mask": "0",
    "write_cache": WRITE_THROUGH,
    "write_same_max_bytes": "0",
    "write_zeroes_max_bytes": "0",
    "zone_append_max_bytes": "0",
    "zone_write_granularity": "0",
    "zoned": "none",
}
# What only a queue of requests has.
OF_REQUESTS: Final = ("nr_requests", "rq_affinity", "scheduler", "wbt_lat_usec")
FLAGS: Final = ("add_random", "iostats", "rotational", "stable_writes")


class QueueSettings:
    """What somebody has set, of one device, and what follows from it. `said` is shown as it was written."""

    def __init__(self, device: BlockDevice, facts: Facts, clock: Clock, hardware: Facts) -> None:
        self.device = device
        self.facts = facts
        self.clock = clock
        # What the header says of its hardware queues.
        self.hardware = hardware
        self.said: dict[str, str] = {}
        self.read_ahead_pages = default_read_ahead_pages(device.limits)
        if facts.has("read_ahead_kb"):
            self.read_ahead_pages = facts.number("read_ahead_kb") * KIB // PAGE
        # Of write-back throttling: what it begins with stays, whatever later tables bring. Linux: wbt_init().
        self.latency = default_latency(device.limits)
        # The limits as they were before users set any, and those that were set then.
        self._base = device.limits
        self._set = device.limits
        self.user_sectors = 0
        self.user_discard_sectors = UINT_MAX
        self.cache_disabled = False
        self.can_poll = False
        # Counters while `iostats` is off: what is hidden, and what is shown until it is on again.
        self.hidden: list[int] = []
        self.frozen: list[int] = []

    def counters(self) -> list[int]:
        """The seventeen numbers of `stat`: nothing is counted while `iostats` is off. To be called when that was set, too."""
        counted = self.device.counters(self.clock.now_ns)
        if self.said.get("iostats", self.facts.text("iostats", "1")) == "0":
            if not self.frozen:
                self.frozen = self._without_hidden(counted)
            return self.frozen
        if self.frozen:
            self.hidden = [now - shown for now, shown in zip(counted, self.frozen, strict=True)]
            self.hidden[IN_FLIGHT_FIELD] = 0
            self.frozen = []
        return self._without_hidden(counted)

    def _without_hidden(self, counted: list[int]) -> list[int]:
        if not self.hidden:
            return counted
        return [now - hidden for now, hidden in zip(counted, self.hidden, strict=True)]

    def follow(self) -> None:
        """A new table has brought new limits: what users had set is gone, but the read-ahead never shrinks."""
        if self.device.limits is not self._set:
            self._base = self._set = self.device.limits
            self.user_sectors = 0
            self.user_discard_sectors = UINT_MAX
            self.cache_disabled = False
            for name in FLAGS if isinstance(self.device, MappedDevice) else ():
                self.said.pop(name, None)
            self.read_ahead_pages = max(self.read_ahead_pages, default_read_ahead_pages(self._base))

    def apply(self) -> None:
        """Work out the limits from what they were and what users have set. Linux: queue_limits_commit_update()."""
        base = self._base
        limits = replace(
            base,
            max_user_sectors=self.user_sectors,
            max_sectors=largest_io(base, self.user_sectors),
            max_discard_sectors=min(base.max_hw_discard_sectors, self.user_discard_sectors, base.max_discard_sectors)
            if self.user_discard_sectors != UINT_MAX
            else base.max_discard_sectors,
            cache_off=self.cache_disabled,
            rotational=self._flag("rotational", base.rotational),
            stable_writes=self._flag("stable_writes", base.stable_writes),
        )
        if not limits.max_discard_sectors:
            limits = replace(limits, discard_granularity=0)
        self._set = limits
        self.device.set_limits(limits)
        self.read_ahead_pages = max(self.read_ahead_pages, default_read_ahead_pages(limits))

    def _flag(self, name: str, default: bool) -> bool:
        return self.said[name] != "0" if name in self.said else default


def default_latency(limits: QueueLimits) -> int:
    """In microseconds. Linux: wbt_default_latency_nsec()."""
    return LATENCY_ROTATIONAL_USEC if limits.rotational else LATENCY_USEC


def largest_io(limits: QueueLimits, user_sectors: int) -> int:
    """Linux: the part of blk_validate_limits() that is about max_sectors. OsError when users ask for less than a page."""
    if user_sectors:
        if user_sectors < PAGE >> SECTOR_SHIFT:
            raise OsError("EINVAL")
        most = min(limits.max_hw_sectors, limits.max_dev_sectors, user_sectors)
    else:
        wished = MAX_SECTORS_DEFAULT
        for hint in (limits.io_opt, limits.io_min):
            if hint > MAX_SECTORS_DEFAULT << SECTOR_SHIFT:
                wished = hint >> SECTOR_SHIFT
                break
        most = min(limits.max_hw_sectors, limits.max_dev_sectors, wished)
    block = limits.block_sectors()
    return most // block * block


class QueueFolder(Folder):
    def __init__(self, settings: QueueSettings) -> None:
        self.settings = settings
        self.device = settings.device
        self.facts = settings.facts
        settings.follow()

    def names(self) -> list[str]:
        names = list(COMMON)
        if self.device.queue is not None:
            names += OF_REQUESTS
            if self.facts.has("io_timeout"):
                names.append("io_timeout")
            if selected_scheduler(self.device.queue) != "none":
                names.append("iosched")
        return sorted(names)

    def folder(self, name: str) -> Folder | None:
        queue = self.device.queue
        if name == "iosched" and queue is not None and selected_scheduler(queue) != "none":
            return ElevatorFolder(queue)
        return None

    # Showing.

    def show(self, name: str) -> str:
        if name not in self.names():
            raise OsError("ENOENT")
        live = self._live(name)
        if live is not None:
            return live
        if name in self.settings.said:
            return self.settings.said[name]
        of_limits = shown(self.device.limits)
        if name in of_limits and name != "fua":
            return of_limits[name]
        if self.facts.has(name):
            return self.facts.text(name)
        return of_limits.get(name, COMMON.get(name, ""))

    def _live(self, name: str) -> str | None:
        """Of what changes by itself."""
        queue = self.device.queue
        if name == "read_ahead_kb":
            return str(self.settings.read_ahead_pages * PAGE // KIB)
        if name == "io_poll" and queue is None:
            return str(int(self.settings.can_poll))
        if name == "nomerges" and queue is not None:
            return str(queue.nomerges)
        if queue is None:
            return None
        if name == "scheduler":
            chosen = selected_scheduler(queue)
            known = [scheduler for scheduler in SCHEDULER_ORDER if scheduler in ELEVATORS]
            return "".join(f"[{word}] " if word == chosen else f"{word} " for word in known)
        if name == "nr_requests":
            return str(queue.nr_requests)
        if name == "rq_affinity":
            return self.settings.said.get(name, self.facts.text(name, "1"))
        if name == "wbt_lat_usec" and name not in self.settings.said:
            return self.facts.text(name) if self.facts.has(name) else str(self.settings.latency)
        return None

    # Storing.

    def store(self, name: str, value: str) -> None:
        if name not in self.names():
            raise OsError("ENOENT")
        settings = self.settings
        if name == "scheduler":
            self._store_scheduler(value)
        elif name == "nr_requests":
            self._store_requests(parse_number(value, 0, UINT_MAX))
        elif name == "max_sectors_kb":
            self._store_limit("user_sectors", parse_number(value, 0, UINT_MAX) << 1)
        elif name == "discard_max_bytes":
            self._store_discard(parse_number(value, 0, UINT_MAX))
        elif name == "write_cache":
            self._store_cache(value)
        elif name == "read_ahead_kb":
            settings.read_ahead_pages = parse_number(value, 0, UINT_MAX) * KIB // PAGE
        elif name == "nomerges":
            self._store_merging(parse_number(value, 0, UINT_MAX))
        elif name in FLAGS:
            settings.said[name] = "1" if parse_number(value, 0, UINT_MAX) else "0"
            settings.apply()
            settings.counters()
        elif name == "rq_affinity":
            number = parse_number(value, 0, UINT_MAX)
            if number <= 2:
                settings.said[name] = str(number)
        elif name == "wbt_lat_usec":
            number = parse_number(value, -1, UINT_MAX)
            settings.said[name] = str(default_latency(self.device.limits)) if number == -1 else str(number)
        elif name == "io_timeout":
            settings.said[name] = str(parse_number(value, 1, UINT_MAX))
        elif name == "io_poll":
            raise OsError("EINVAL")
        elif name != "io_poll_delay":
            raise OsError("EACCES")

    def _store_limit(self, name: str, value: int) -> None:
        settings = self.settings
        before = settings.user_sectors
        settings.user_sectors = value
        try:
            settings.apply()
        except OsError:
            settings.user_sectors = before
            raise

    def _store_discard(self, size: int) -> None:
        granularity = self.device.limits.discard_granularity
        if size & (granularity - 1):
            raise OsError("EINVAL")
        self.settings.user_discard_sectors = size >> SECTOR_SHIFT
        self.settings.apply()

    def _store_cache(self, value: str) -> None:
        if value.startswith(WRITE_BACK):
            self.settings.cache_disabled = False
        elif value.startswith((WRITE_THROUGH, "none")):
            self.settings.cache_disabled = True
        else:
            raise OsError("EINVAL")
        self.settings.apply()

    def _store_merging(self, number: int) -> None:
        kept = 2 if number == 2 else min(number, 1)
        queue = self.device.queue
        if queue is not None:
            queue.nomerges = kept
        else:
            self.settings.said["nomerges"] = str(kept)

    def _store_scheduler(self, value: str) -> None:
        queue = self.device.queue
        assert queue is not None
        name = value.strip()
        if name == "deadline":
            name = "mq-deadline"
        if name not in ELEVATORS:
            raise OsError("EINVAL")
        if name != selected_scheduler(queue):
            queue.set_scheduler(name)

    def _store_requests(self, number: int) -> None:
        queue = self.device.queue
        assert queue is not None
        most = queue.depth if selected_scheduler(queue) == "none" else SCHEDULED_REQUESTS_MAX
        if number > most:
            raise OsError("EINVAL")
        queue.nr_requests = max(number, REQUESTS_MIN)


def selected_scheduler(queue: RequestQueue) -> str:
    return queue.scheduler


class ElevatorFolder(Folder):
    """`iosched`: the settings of the elevator that is in use."""

    def __init__(self, queue: RequestQueue) -> None:
        self.queue = queue

    def names(self) -> list[str]:
        return sorted(self.queue.elevator.attributes())

    def show(self, name: str) -> str:
        values = self.queue.elevator.attributes()
        if name not in values:
            raise OsError("ENOENT")
        return str(values[name])

    def store(self, name: str, value: str) -> None:
        if name not in self.queue.elevator.attributes():
            raise OsError("ENOENT")
        number = parse_number(value, -UINT_MAX, UINT_MAX)
        try:
            self.queue.elevator.set_attribute(name, number)
        except ValueError:
            raise OsError("EINVAL") from None
