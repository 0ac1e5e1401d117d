"""Trace: everything that happened in a run, in order, and a hash over all of it.

One seed gives one trace, on every machine, compiled or interpreted (invariant I8). The hash covers time, lane, verb and every
field; the events themselves are kept only where somebody wants to look at them. Lanes are what a figure draws one line for:
`client 0`, `path p0`, `server s0`, `array`, `map`, `world`.
"""

from hashlib import blake2b

from hawser.core.clock import Clock

DIGEST_BYTES = 16


class Event:
    """`what` is one word, `detail` whatever else there is to say, `time_ns` on the world's clock."""

    def __init__(self, time_ns: int, lane: str, what: str, detail: str) -> None:
        self.time_ns = time_ns
        self.lane = lane
        self.what = what
        self.detail = detail

    def line(self) -> str:
        """`0.001234567 path p0: sent write of sectors 8..15`."""
        seconds, rest = divmod(self.time_ns, 1_000_000_000)
        return f"{seconds}.{rest:09d} {self.lane}: {self.what} {self.detail}".rstrip()


class Trace:
    """`keep`: the events stay, for a story or a figure; else only their number and hash do."""

    def __init__(self, clock: Clock, keep: bool = False) -> None:
        self.clock = clock
        self.keep = keep
        self.events: list[Event] = []
        self.count = 0
        self._hash = blake2b(digest_size=DIGEST_BYTES)

    def note(self, lane: str, what: str, detail: str = "") -> None:
        """Something happened now."""
        self.count += 1
        self._hash.update(f"{self.clock.now_ns}\0{lane}\0{what}\0{detail}\n".encode())
        if self.keep:
            self.events.append(Event(self.clock.now_ns, lane, what, detail))

    def digest(self) -> str:
        """The hash over everything so far, in hexadecimal."""
        return self._hash.hexdigest()
