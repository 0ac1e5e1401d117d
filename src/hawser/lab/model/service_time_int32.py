"""`service-time-int32`: hawser's service-time with the widths of Linux's numbers. For the laboratory alone: no table that is
served can name it.

Linux: drivers/md/dm-ps-service-time.c, st_compare_load(). Bytes in flight are counted in 32 bits with a sign, products are taken
in 64 bits without one, and what the comparison answers with is again 32 bits with a sign: of a difference of 2^31 to 2^32 the
sign is the wrong one, and of a multiple of 2^32 nothing is left (anchors 1.13 b).
"""

from typing import Final

from hawser.multipath.path import Path
from hawser.multipath.selectors.base import PathSelector, register_selector
from hawser.multipath.selectors.service_time import ServiceTime

NAME: Final = "service-time-int32"
INT_BITS: Final = 32
SIZE_BITS: Final = 64
# Sums from here on lose their low bits before they are multiplied, so that a product by a weight of up to 100 fits.
WEIGHT_BITS: Final = 7
SUM_MAX: Final = ((1 << SIZE_BITS) - 1) >> WEIGHT_BITS
_SIZE_MASK: Final = (1 << SIZE_BITS) - 1
_HALF: Final = 1 << (INT_BITS - 1)
_INT_MASK: Final = (1 << INT_BITS) - 1


def as_int(value: int) -> int:
    """What is left of a number in an int."""
    return ((value + _HALF) & _INT_MASK) - _HALF


def compare_in_ints(first: Path, second: Path, size: int) -> int:
    """As hawser.multipath.selectors.service_time.compare, in Linux's widths."""
    first_load = as_int(first.in_flight_bytes) & _SIZE_MASK
    second_load = as_int(second.in_flight_bytes) & _SIZE_MASK
    first_weight = first.relative_throughput
    second_weight = second.relative_throughput
    if first_weight == second_weight:
        return as_int(first_load - second_load)
    if first_load == second_load or first_weight == 0 or second_weight == 0:
        return second_weight - first_weight
    first_load = (first_load + size) & _SIZE_MASK
    second_load = (second_load + size) & _SIZE_MASK
    if first_load >= SUM_MAX or second_load >= SUM_MAX:
        first_load >>= WEIGHT_BITS
        second_load >>= WEIGHT_BITS
    first_cost = (first_load * second_weight) & _SIZE_MASK
    second_cost = (second_load * first_weight) & _SIZE_MASK
    if first_cost == second_cost:
        return second_weight - first_weight
    return as_int(first_cost - second_cost)


class ServiceTimeInt32(ServiceTime):
    name = NAME

    def select(self, size: int) -> Path | None:
        valid = self.valid
        if not valid:
            return None
        best = valid[0]
        place = 0
        index = 0
        for path in valid:
            if index and compare_in_ints(path, best, size) < 0:
                best = path
                place = index
            index += 1
        if len(valid) > 1:
            del valid[place]
            valid.append(best)
        return best

    def info_words(self, path: Path) -> str:
        return f"{as_int(path.in_flight_bytes)} {path.relative_throughput}"


def make_service_time_int32(words: list[str]) -> PathSelector:
    return ServiceTimeInt32()


register_selector(NAME, make_service_time_int32)
