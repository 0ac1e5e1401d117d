"""What hawser costs when nothing fails: the same database over hawser, which has two servers, and over one server without it.

Both sides stand all the time; in each round both are asked, one after the other, each time in the other order, so that what
else the machine does falls on both. The ratio is that of medians; its interval is a bootstrap over whole rounds, the middle
95 % of all draws. The database waits for each I/O, so what is compared is how long one takes, with the database's own time in
it.
"""

import itertools
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import msgspec

from hawser.service.demo_child import Child, ChildError, module
from hawser.service.demo_database import DISK_BYTES, KINDS, Rates
from hawser.service.demo_servers import EXPORT, LONGEST, Gateway, Server
from hawser.service.short_directory import short_directory

CONFIDENCE: Final = 0.95
# So many rounds can be drawn in every way.
ROUNDS_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one kind: per second, a figure for each round. `ratio`: hawser's by the other's, with the ends of its interval."""

    kind: str
    ours: list[float]
    direct: list[float]
    ratio: float
    low: float
    high: float


class Side:
    """A database on a disk that is served; `children` are what serves it."""

    def __init__(self, directory: str, name: str) -> None:
        self.directory = os.path.join(directory, name)
        os.mkdir(self.directory)
        self.children: list[Child] = []
        self.servers: list[Server] = []

    def serve(self, servers: int) -> list[Server]:
        image = os.path.join(self.directory, "img")
        with open(image, "wb") as file:
            file.truncate(DISK_BYTES)
        for number in range(servers):
            server = Server(f"s{number}", self.directory, image)
            self.servers.append(server)
            server.start()
        return self.servers

    def connect(self, socket_path: str, export: str) -> None:
        words = ("rounds", socket_path, export, "1", self.directory)
        self.children.append(Child("database", module("hawser.service.demo_database", *words), self.directory, True))

    def round(self, seconds: float) -> list[float]:
        """Per second, in the order of KINDS. ChildError."""
        child = self.children[-1]
        try:
            child.input().write(f"{seconds}\n".encode())
            child.input().flush()
        except OSError:
            # It has ended; why is in what it said last.
            pass
        line = child.output().readline()
        rates = msgspec.json.decode(line, type=Rates) if line else Rates(fault=child.complaint() or "it has ended")
        if rates.fault:
            raise ChildError(f"the database: {rates.fault}")
        return rates.rates

    def close(self) -> None:
        for child in reversed(self.children):
            child.end()
        for server in self.servers:
            server.kill()


def measure(rounds: int, seconds: float, is_over: Callable[[], bool] = lambda: False) -> list[Cost]:
    """`rounds` (ROUNDS_MAX at most) of `seconds` for each side. ChildError. Nothing of it is left behind."""
    directory = short_directory(f"h/{LONGEST}")
    sides: list[Side] = []
    try:
        direct = Side(directory, "d")
        sides.append(direct)
        (server,) = direct.serve(1)
        direct.connect(server.socket, "")
        ours = Side(directory, "h")
        sides.append(ours)
        paths = [f"nbd+unix:///?socket={each.socket}&cache=path" for each in ours.serve(2)]
        gateway = Gateway(ours.directory, paths)
        ours.children.append(gateway.child)
        ours.connect(gateway.socket, EXPORT)
        figures: dict[int, list[list[float]]] = {id(side): [] for side in sides}
        for number in range(rounds):
            for side in sides if number % 2 else sides[::-1]:
                if is_over():
                    return []
                figures[id(side)].append(side.round(seconds))
        return [_cost(place, figures[id(ours)], figures[id(direct)]) for place in range(len(KINDS))]
    finally:
        for side in sides:
            side.close()
        shutil.rmtree(directory, ignore_errors=True)


def _cost(place: int, ours: list[list[float]], direct: list[list[float]]) -> Cost:
    mine, theirs = [rates[place] for rates in ours], [rates[place] for rates in direct]
    return Cost(KINDS[place], mine, theirs, *ratio_of_medians(mine, theirs))


def ratio_of_medians(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """The ratio and its interval, of as many figures on both sides, in the same order of rounds, all above zero."""
    count = len(ours)
    assert 0 < count == len(theirs) <= ROUNDS_MAX
    drawn = sorted(
        median(ours[place] for place in draw) / median(theirs[place] for place in draw)
        for draw in itertools.product(range(count), repeat=count)
    )
    tail = (1 - CONFIDENCE) / 2
    low, high = (drawn[round(part * (len(drawn) - 1))] for part in (tail, 1 - tail))
    return median(ours) / median(theirs), low, high
