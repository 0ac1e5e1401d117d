"""`queue-length`: the path with the fewest I/Os in flight; of equals the one that was chosen longest ago.

Linux: drivers/md/dm-ps-queue-length.c.
"""

from hawser.dm.target import TableError
from hawser.multipath.path import Path
from hawser.multipath.selectors.base import PathSelector, RepeatingSelector, parse_repeat_count, register_selector


class QueueLength(RepeatingSelector):
    name = "queue-length"

    def __init__(self) -> None:
        super().__init__()
        self.info_args = 1

    def add_path(self, path: Path, words: list[str]) -> None:
        if len(words) > 1:
            raise TableError("queue-length ps: incorrect number of arguments")
        path.repeat_count = parse_repeat_count(self, words)
        self.valid.append(path)

    def select(self, size: int) -> Path | None:
        valid = self.valid
        if not valid:
            return None
        best = valid[0]
        place = 0
        index = 0
        for path in valid:
            if path.in_flight < best.in_flight:
                best = path
                place = index
            if best.in_flight == 0:
                break
            index += 1
        if len(valid) > 1:
            del valid[place]
            valid.append(best)
        return best

    def explain(self, chosen: Path, size: int) -> str:
        lengths = ", ".join(f"{path.device.devt} {path.in_flight}" for path in self.valid)
        return f"queue-length: {chosen.in_flight} in flight, the fewest of {lengths}"

    def start_io(self, path: Path, size: int) -> None:
        path.in_flight += 1

    def end_io(self, path: Path, size: int, start_ns: int) -> None:
        path.in_flight -= 1

    def info_words(self, path: Path) -> str:
        return str(path.in_flight)


def make_queue_length(words: list[str]) -> PathSelector:
    return QueueLength()


register_selector("queue-length", make_queue_length)
