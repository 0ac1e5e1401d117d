"""`round-robin`: the head of the list, which then goes to the tail. A reinstated path goes to the head.

Linux: drivers/md/dm-ps-round-robin.c.
"""

from hawser.dm.target import TableError
from hawser.multipath.path import Path
from hawser.multipath.selectors.base import PathSelector, RepeatingSelector, parse_repeat_count, register_selector


class RoundRobin(RepeatingSelector):
    name = "round-robin"

    def add_path(self, path: Path, words: list[str]) -> None:
        if len(words) > 1:
            raise TableError("round-robin ps: incorrect number of arguments")
        path.repeat_count = parse_repeat_count(self, words)
        self.valid.append(path)

    def select(self, size: int) -> Path | None:
        valid = self.valid
        if not valid:
            return None
        path = valid[0]
        if len(valid) > 1:
            del valid[0]
            valid.append(path)
        return path

    def explain(self, chosen: Path, size: int) -> str:
        others = [path.device.devt for path in self.valid if path is not chosen]
        return f"round-robin: its turn, then those of {', '.join(others)}" if others else "round-robin: the only one"

    def reinstate_path(self, path: Path) -> None:
        self.failed.remove(path)
        self.valid.insert(0, path)


def make_round_robin(words: list[str]) -> PathSelector:
    return RoundRobin()


register_selector("round-robin", make_round_robin)
