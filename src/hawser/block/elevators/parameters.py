"""The settings of mq-deadline, with the names, units and bounds that /sys/block/*/queue/iosched has.

Linux: the attributes at the end of block/mq-deadline.c; Documentation/block/deadline-iosched.rst.
"""

from typing import Final

from hawser.core.units import NS_PER_MS

INT_MAX: Final = (1 << 31) - 1

_BOUNDS: Final[dict[str, tuple[int, int]]] = {
    "async_depth": (1, INT_MAX),
    "fifo_batch": (0, INT_MAX),
    "front_merges": (0, 1),
    "prio_aging_expire": (0, INT_MAX),
    "read_expire": (0, INT_MAX),
    "write_expire": (0, INT_MAX),
    "writes_starved": (-INT_MAX - 1, INT_MAX),
}


class Parameters:
    """`expire_ns` is that of reads and that of writes. `async_depth` limits nothing here: nobody waits for a request to be
    free."""

    def __init__(self, nr_requests: int) -> None:
        self.expire_ns = [500 * NS_PER_MS, 5000 * NS_PER_MS]
        self.fifo_batch = 16
        self.writes_starved = 2
        self.front_merges = True
        self.prio_aging_ns = 10_000 * NS_PER_MS
        self.async_depth = nr_requests

    def shown(self) -> dict[str, int]:
        """In milliseconds and numbers, by name."""
        return {
            "async_depth": self.async_depth,
            "fifo_batch": self.fifo_batch,
            "front_merges": int(self.front_merges),
            "prio_aging_expire": self.prio_aging_ns // NS_PER_MS,
            "read_expire": self.expire_ns[0] // NS_PER_MS,
            "write_expire": self.expire_ns[1] // NS_PER_MS,
            "writes_starved": self.writes_starved,
        }

    def set(self, name: str, value: int) -> None:
        """Set one; out of bounds it becomes the bound. KeyError when there is none of that name."""
        low, high = _BOUNDS[name]
        value = max(low, min(high, value))
        if name == "async_depth":
            self.async_depth = value
        elif name == "fifo_batch":
            self.fifo_batch = value
        elif name == "front_merges":
            self.front_merges = value != 0
        elif name == "prio_aging_expire":
            self.prio_aging_ns = value * NS_PER_MS
        elif name == "read_expire":
            self.expire_ns[0] = value * NS_PER_MS
        elif name == "write_expire":
            self.expire_ns[1] = value * NS_PER_MS
        else:
            self.writes_starved = value
