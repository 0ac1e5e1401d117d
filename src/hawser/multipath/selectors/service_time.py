"""`service-time`: the path with the least estimated time for what is in flight plus this I/O, by the weights that the user gave.

Linux: drivers/md/dm-ps-service-time.c. Unlike the kernel: the difference of two products is not squeezed into an int, so the sign
does not flip (anchors 1.13 b).
"""

from typing import Final

from hawser.dm.arguments import scan_uint
from hawser.dm.target import TableError
from hawser.multipath.path import Path
from hawser.multipath.selectors.base import PathSelector, RepeatingSelector, parse_repeat_count, register_selector

THROUGHPUT_MAX: Final = 100
# Linux shifts both sums from (size_t)-1 >> 7 on, to keep the product within a size_t. Python's integers need none of it.


def compare(first: Path, second: Path, size: int) -> int:
    """Negative when `first` is the better one for `size` more bytes, positive when `second` is, 0 when they are equal."""
    first_weight = first.relative_throughput
    second_weight = second.relative_throughput
    if first_weight == second_weight:
        return first.in_flight_bytes - second.in_flight_bytes
    if first.in_flight_bytes == second.in_flight_bytes or first_weight == 0 or second_weight == 0:
        return second_weight - first_weight
    difference = (first.in_flight_bytes + size) * second_weight - (second.in_flight_bytes + size) * first_weight
    return difference if difference != 0 else second_weight - first_weight


class ServiceTime(RepeatingSelector):
    name = "service-time"

    def __init__(self) -> None:
        super().__init__()
        self.info_args = 2
        self.table_args = 2

    def add_path(self, path: Path, words: list[str]) -> None:
        if len(words) > 2:
            raise TableError("service-time ps: incorrect number of arguments")
        path.repeat_count = parse_repeat_count(self, words)
        if len(words) == 2:
            throughput = scan_uint(words[1])
            if not 0 <= throughput <= THROUGHPUT_MAX:
                raise TableError("service-time ps: invalid relative_throughput value")
            path.relative_throughput = throughput
        self.valid.append(path)

    def select(self, size: int) -> Path | None:
        valid = self.valid
        if not valid:
            return None
        best = valid[0]
        place = 0
        index = 0
        for path in valid:
            if index and compare(path, best, size) < 0:
                best = path
                place = index
            index += 1
        if len(valid) > 1:
            del valid[place]
            valid.append(best)
        return best

    def explain(self, chosen: Path, size: int) -> str:
        loads = ", ".join(
            f"{path.device.devt} {path.in_flight_bytes}/{path.relative_throughput}" for path in self.valid
        )
        return f"service-time: least bytes in flight by weight for {size} more, of {loads}"

    def start_io(self, path: Path, size: int) -> None:
        path.in_flight_bytes += size

    def end_io(self, path: Path, size: int, start_ns: int) -> None:
        path.in_flight_bytes -= size

    def info_words(self, path: Path) -> str:
        return f"{path.in_flight_bytes} {path.relative_throughput}"

    def table_words(self, path: Path) -> str:
        return f"{path.repeat_count} {path.relative_throughput}"

    def words_for(self, place: int, weight: int) -> list[str]:
        return ["1", str(weight)]


def make_service_time(words: list[str]) -> PathSelector:
    return ServiceTime()


register_selector("service-time", make_service_time)
