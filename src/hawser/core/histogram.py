"""A log-linear histogram of non-negative integers (latencies in nanoseconds, sizes in bytes): fixed memory, mergeable.

Each power of two is cut into 2^SUB_BITS equal buckets, so a quantile is at most 1/2^SUB_BITS (3 %) too high and never too low.
(The layout is HdrHistogram's idea.)
"""

from typing import Final

SUB_BITS: Final = 5
_SUB: Final = 1 << SUB_BITS
VALUE_BITS: Final = 44
BUCKETS: Final = (VALUE_BITS - SUB_BITS + 1) << SUB_BITS


def bucket_of(value: int) -> int:
    """The bucket that counts `value`; values of 2^VALUE_BITS (4.9 hours in ns) and more fall into the last one."""
    if value < _SUB:
        return value
    shift = value.bit_length() - SUB_BITS - 1
    index = (shift << SUB_BITS) + (value >> shift)
    return index if index < BUCKETS else BUCKETS - 1


def bucket_top(index: int) -> int:
    """The largest value that bucket `index` counts."""
    if index < 2 * _SUB:
        return index
    shift = (index >> SUB_BITS) - 1
    return (((index & (_SUB - 1)) + _SUB + 1) << shift) - 1


class Histogram:
    """Counts, with exact count, sum, minimum and maximum beside the buckets."""

    def __init__(self) -> None:
        self.counts: list[int] = [0] * BUCKETS
        self.count = 0
        self.total = 0
        self.minimum = 0
        self.maximum = 0

    def record(self, value: int) -> None:
        """Count one value (>= 0)."""
        self.record_many(value, 1)

    def record_many(self, value: int, times: int) -> None:
        """Count a value (>= 0) that occurred `times` times (>= 1)."""
        assert value >= 0 and times >= 1
        self.counts[bucket_of(value)] += times
        if self.count == 0 or value < self.minimum:
            self.minimum = value
        if value > self.maximum:
            self.maximum = value
        self.count += times
        self.total += value * times

    def merge(self, other: "Histogram") -> None:
        """Add the counts of `other`."""
        if other.count == 0:
            return
        if self.count == 0 or other.minimum < self.minimum:
            self.minimum = other.minimum
        self.maximum = max(self.maximum, other.maximum)
        self.count += other.count
        self.total += other.total
        for index, count in enumerate(other.counts):
            if count:
                self.counts[index] += count

    def quantile(self, fraction: float) -> int:
        """The smallest bucket top at or below which at least `fraction` (0..1) of the values lie; 0 when empty."""
        assert 0.0 <= fraction <= 1.0
        wanted = max(1, -int(-fraction * self.count // 1))
        seen = 0
        for index, count in enumerate(self.counts):
            seen += count
            if seen >= wanted and count:
                return min(bucket_top(index), self.maximum)
        return self.maximum

    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0
