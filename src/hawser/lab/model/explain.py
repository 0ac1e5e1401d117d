"""Explain: what became of single I/Os of a scenario, and why: which path each took, what every path's score was, what it waited
for, and what other selectors would have done in that state.

A scenario is played with somebody watching, which changes nothing: the same seed gives the same run. I/Os are numbered from 1, in
the order in which clients asked for them. The slowest are found by playing it twice.
"""

from dataclasses import dataclass, field, replace
from heapq import heappush, heapreplace
from typing import Final

from hawser.block.bio import Bio
from hawser.block.recorder import describe
from hawser.block.request import Request
from hawser.core.clock import Clock
from hawser.core.status import status_name
from hawser.core.trace import ANSWERED, COMPLETED, ISSUED, MAPPED, QUEUED, Life, Tracer
from hawser.lab.model.bench import MAP_NAME, Bench
from hawser.lab.model.onlooker import Choice, Onlooker, look_on
from hawser.lab.model.scenario import Scenario

# What one I/O goes through may be told so far: one that waits for a path may be requeued for ever.
STEPS_MAX: Final = 1000


@dataclass
class Step:
    at_ns: int
    name: str
    detail: str
    choice: Choice | None = None


@dataclass
class Told:
    """The life of an I/O. `end_ns` is -1 if the scenario was over before. `rank`: how many others took longer."""

    number: int
    words: str
    client: int
    at_ns: int
    end_ns: int = -1
    status: str = ""
    steps: list[Step] = field(default_factory=list)
    left_out: int = 0
    rank: int = 0

    def took_ns(self, now_ns: int) -> int:
        return (self.end_ns if self.end_ns >= 0 else now_ns) - self.at_ns


@dataclass
class Explained:
    """`told` in the order in which they were asked for; `ios`: how many I/Os there were; `now_ns`: when it was over."""

    ios: int
    now_ns: int
    told: list[Told]


class _Watched(Life):
    """An I/O that is only timed."""

    def __init__(self, teller: "Teller", number: int, bio: Bio) -> None:
        self.teller = teller
        self.number = number
        self.bio = bio
        self.at_ns = teller.clock.now_ns

    def note(self, step: str, detail: str) -> None:
        """Nobody asked about this one."""

    def ended(self, bio: object, status: int) -> None:
        if bio is self.bio:
            self.teller.ended(self.number, self.teller.clock.now_ns - self.at_ns)


class _Followed(_Watched):
    """One that is told."""

    def __init__(self, teller: "Teller", number: int, bio: Bio, device: str) -> None:
        super().__init__(teller, number, bio)
        words = describe(bio.op, bio.sector, bio.size, bio.flags)
        self.told = Told(number, words, bio.client().cpu, self.at_ns)
        self.add(QUEUED, device)

    def note(self, step: str, detail: str) -> None:
        choice = None
        if step == MAPPED:
            for onlooker in self.teller.onlookers:
                choice = choice or onlooker.choice(detail)
        self.add(step, detail, choice)

    def add(self, step: str, detail: str, choice: Choice | None = None) -> None:
        told = self.told
        if told.end_ns >= 0:
            # A request of the map's own ends behind the last of its I/Os.
            return
        if len(told.steps) >= STEPS_MAX:
            told.left_out += 1
            return
        told.steps.append(Step(self.teller.clock.now_ns, step, detail, choice))

    def ended(self, bio: object, status: int) -> None:
        if bio is self.bio:
            self.add(COMPLETED, status_name(status))
            self.told.end_ns = self.teller.clock.now_ns
            self.told.status = status_name(status)
        super().ended(bio, status)


class Teller(Tracer):
    """Numbers the I/Os of clients, times all of them, and keeps the lives of those that are `wanted`."""

    def __init__(self, wanted: list[int], slowest: int) -> None:
        self.clock = Clock()
        self.onlookers: list[Onlooker] = []
        self.wanted = dict.fromkeys(wanted, True)
        self.slowest = slowest
        self.count = 0
        self.took: list[int] = []
        self.lives: list[_Followed] = []
        self._open: dict[int, _Watched] = {}
        # The slowest so far, the least slow first; of equals the earlier one counts as slower.
        self._heap: list[tuple[int, int]] = []

    def born(self, bio: object, device: str) -> Life | None:
        assert isinstance(bio, Bio)
        if device != MAP_NAME:
            return None
        self.count += 1
        number = self.count
        if number in self.wanted:
            followed = _Followed(self, number, bio, device)
            self.lives.append(followed)
            return followed
        watched = _Watched(self, number, bio)
        if self.slowest:
            self._open[number] = watched
        return watched

    def sent(self, request: object, queue: str, in_flight: int) -> None:
        assert isinstance(request, Request)
        self._tell(request, ISSUED, f"{queue}: {_told_request(request)}, {in_flight} in flight there now")

    def returned(self, request: object, queue: str, in_flight: int, outcome: str) -> None:
        assert isinstance(request, Request)
        self._tell(request, ANSWERED, f"{queue}: {outcome}")

    def _tell(self, request: Request, step: str, detail: str) -> None:
        for bio in request.for_whom():
            life = bio.life
            if isinstance(life, _Followed):
                life.add(step, detail)

    def ended(self, number: int, took_ns: int) -> None:
        self._open.pop(number, None)
        self.took.append(took_ns)
        self._offer(took_ns, number)

    def _offer(self, took_ns: int, number: int) -> None:
        if not self.slowest:
            return
        entry = (took_ns, -number)
        if len(self._heap) < self.slowest:
            heappush(self._heap, entry)
        elif entry > self._heap[0]:
            heapreplace(self._heap, entry)

    def slow_ones(self) -> list[int]:
        """Their numbers, the slowest first. What has not ended has taken until now."""
        for number, watched in self._open.items():
            self._offer(self.clock.now_ns - watched.at_ns, number)
        return [-number for _, number in sorted(self._heap, reverse=True)]


def _told_request(request: Request) -> str:
    ios = len(request.for_whom())
    words = describe(request.op, request.sector, request.size, request.flags)
    return words if ios <= 1 else f"{words} for {ios} I/Os"


def explain(scenario: Scenario, seed: int, numbers: list[int]) -> Explained:
    """The lives of these I/Os, in the order in which they are named. ValueError when there are fewer."""
    teller, bench = played(scenario, seed, Teller(numbers, 0))
    for number in numbers:
        if not 1 <= number <= teller.count:
            raise ValueError(
                f"there is no I/O {number}: scenario {scenario.name}, seed {seed}, has {teller.count:,}, from 1 on"
            )
    found = {life.number: life.told for life in teller.lives}
    ordered = sorted(teller.took)
    for told in found.values():
        took = told.took_ns(bench.clock.now_ns)
        told.rank = sum(1 for other in ordered if other > took)
    return Explained(teller.count, bench.clock.now_ns, [found[number] for number in dict.fromkeys(numbers)])


def slowest(scenario: Scenario, seed: int, count: int) -> list[int]:
    """The numbers of the I/Os that took longest, the slowest first."""
    teller, _ = played(scenario, seed, Teller([], count))
    return teller.slow_ones()


def played(scenario: Scenario, seed: int, teller: Teller) -> tuple[Teller, Bench]:
    """With `teller` watching."""
    bench = Bench(replace(scenario, over={}), seed, teller)
    teller.clock = bench.clock
    if teller.wanted:
        teller.onlookers = look_on(bench.target())
    bench.run()
    return teller, bench
