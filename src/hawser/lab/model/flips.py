"""Flips: states of a priority group in which a selector takes a path that exact arithmetic says is not the best one.

A state is what service-time looks at: the weights of the table, the I/Os in flight on each path, the size of the next one. It is
drawn by a seed, shown to a selector of the registry as the engine would show it, and judged by whole numbers of any size. What
flips is cut down to the least state that still does, always the same one.
"""

from collections.abc import Callable
from typing import Final

from hawser.core.rng import Rng
from hawser.core.units import KIB, MIB
from hawser.lab.world import Store, World
from hawser.multipath.path import Path, PriorityGroup
from hawser.multipath.selectors.base import PathSelector, find_selector
from hawser.multipath.selectors.service_time import THROUGHPUT_MAX

BLOCK: Final = 4 * KIB
# The largest bio that a client's I/O becomes: 256 pages.
IO_MAX: Final = MIB
PATHS_MIN: Final = 2
PATHS_MAX: Final = 6
IOS_MAX: Final = 64
IDLE_MAX: Final = 4
SIZES: Final = [4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, 512 * KIB, MIB]
WEIGHTS: Final = [1, 2, 5, 10, 20, 50, 100]
ROUNDS_MAX: Final = 32


class State:
    """`weights` of the paths, in the order in which the selector has them; `in_flight`: sizes of the I/Os on each, bytes; `size`:
    bytes of the next I/O."""

    def __init__(self, weights: list[int], in_flight: list[list[int]], size: int) -> None:
        assert len(weights) == len(in_flight)
        self.weights = weights
        self.in_flight = in_flight
        self.size = size

    def copy(self) -> "State":
        return State(list(self.weights), [list(ios) for ios in self.in_flight], self.size)

    def load(self, number: int) -> int:
        """Bytes in flight on a path."""
        return sum(self.in_flight[number])

    def ios(self) -> int:
        """How many are in flight."""
        total = 0
        for ios in self.in_flight:
            total += len(ios)
        return total

    def total(self) -> int:
        """Bytes in flight on all paths."""
        total = 0
        for ios in self.in_flight:
            total += sum(ios)
        return total

    def text(self) -> str:
        """For people: a path each, with its weight and what it has in flight."""
        words = [
            f"weight {weight}: {len(ios)} I/Os, {sum(ios):,} bytes" if ios else f"weight {weight}: idle"
            for weight, ios in zip(self.weights, self.in_flight, strict=True)
        ]
        return f"{'; '.join(words)}; next {self.size:,} bytes"


class Chooser:
    """Asks a selector, by its name in tables, which path it takes."""

    def __init__(self, name: str) -> None:
        make = find_selector(name)
        if make is None:
            raise ValueError(f"there is no selector {name!r}")
        self.name = name
        self._make = make
        world = World()
        store = Store(512)
        self._devices = [world.ram_path(f"p{number}", store).device for number in range(PATHS_MAX)]

    def choice(self, state: State) -> int:
        """The number of the path."""
        selector: PathSelector = self._make([])
        group = PriorityGroup(1, selector)
        paths: list[Path] = []
        for number in range(len(state.weights)):
            path = Path(self._devices[number], group)
            paths.append(path)
            selector.add_path(path, ["1", str(state.weights[number])])
            for size in state.in_flight[number]:
                selector.start_io(path, size)
        chosen = selector.select(state.size)
        for number in range(len(paths)):
            if paths[number] is chosen:
                return number
        raise AssertionError(f"{self.name} has taken no path of {len(paths)}")


def draw(seed: int) -> State:
    """Two to six paths; I/Os of one size on each, many or few."""
    rng = Rng(seed)
    weights: list[int] = []
    in_flight: list[list[int]] = []
    for _ in range(rng.between(PATHS_MIN, PATHS_MAX)):
        plain = rng.chance(1, 2)
        weights.append(WEIGHTS[rng.below(len(WEIGHTS))] if plain else rng.between(1, THROUGHPUT_MAX))
        size = SIZES[rng.below(len(SIZES))]
        count = rng.between(0, IOS_MAX if rng.chance(1, 2) else IDLE_MAX)
        in_flight.append([size] * count)
    return State(weights, in_flight, SIZES[rng.below(len(SIZES))])


def regret(state: State, chosen: int) -> bool:
    """Whether another path would be done with what it has and the next I/O earlier than `chosen`, by the weights of the table:
    (bytes in flight + size) / weight, compared as fractions. Weights are at least 1."""
    cost = state.load(chosen) + state.size
    weight = state.weights[chosen]
    for number in range(len(state.weights)):
        if (state.load(number) + state.size) * weight < cost * state.weights[number]:
            return True
    return False


class Hunt:
    """What came of so many seeds."""

    def __init__(self) -> None:
        self.states = 0
        # Seeds whose state the first selector gets wrong; how many the other one gets wrong; and how many they judge differently.
        self.flips: list[int] = []
        self.others_flips = 0
        self.differ = 0


def hunt(flipping: Chooser, other: Chooser, first: int, count: int) -> Hunt:
    """Show both selectors the states of seeds `first` to `first + count`."""
    found = Hunt()
    for seed in range(first, first + count):
        state = draw(seed)
        taken = flipping.choice(state)
        others = other.choice(state)
        found.states += 1
        if regret(state, taken):
            found.flips.append(seed)
        if regret(state, others):
            found.others_flips += 1
        if taken != others:
            found.differ += 1
    return found


def flips(chooser: Chooser, state: State) -> bool:
    return regret(state, chooser.choice(state))


# Shrinking.


class Shrinker:
    """`state` is the least so far that flips; `tries` counts how often the selector was asked."""

    def __init__(self, chooser: Chooser, state: State) -> None:
        self._chooser = chooser
        self.state = state.copy()
        self.tries = 0
        if not self._still(self.state):
            raise ValueError(f"{chooser.name} is right about this state: {state.text()}")

    def work(self) -> None:
        """Fewer paths, plainer weights, a smaller next I/O, fewer I/Os in flight, smaller ones; again, until nothing changes."""
        for _ in range(ROUNDS_MAX):
            before = self.state.text()
            self._drop_paths()
            self._plain_weights()
            self._join_ios()
            self._next_smaller()
            self._drop_ios()
            self._ios_smaller()
            if self.state.text() == before:
                break

    def _still(self, state: State) -> bool:
        self.tries += 1
        return flips(self._chooser, state)

    def _accept(self, state: State) -> bool:
        if not self._still(state):
            return False
        self.state = state
        return True

    def _drop_paths(self) -> None:
        number = 0
        while number < len(self.state.weights):
            smaller = self.state.copy()
            del smaller.weights[number]
            del smaller.in_flight[number]
            if not (smaller.weights and self._accept(smaller)):
                number += 1

    def _plain_weights(self) -> None:
        """The ends of the range, with as much less in flight as is needed: a larger ratio flips sooner."""
        for number in range(len(self.state.weights)):
            for weight in (1, THROUGHPUT_MAX):
                if self.state.weights[number] == weight:
                    break
                plainer = self.state.copy()
                plainer.weights[number] = weight
                if self._accept_thinned(plainer):
                    break

    def _accept_thinned(self, state: State) -> bool:
        """The state, or the first that flips of those with fewer I/Os on the path that has the most bytes."""
        heaviest = 0
        for number in range(len(state.weights)):
            if state.load(number) > state.load(heaviest):
                heaviest = number
        while not self._accept(state):
            if not state.in_flight[heaviest]:
                return False
            state = state.copy()
            state.in_flight[heaviest].pop()
        return True

    def _join_ios(self) -> None:
        """As many bytes in fewer I/Os, each as large as one may be."""
        joined = self.state.copy()
        for number in range(len(joined.in_flight)):
            left = joined.load(number)
            ios: list[int] = []
            while left > 0:
                ios.append(min(left, IO_MAX))
                left -= ios[-1]
            joined.in_flight[number] = ios
        if joined.ios() < self.state.ios():
            self._accept(joined)

    def _next_smaller(self) -> None:
        self.state = self._least(self.state.size, self._with_next)

    def _with_next(self, size: int) -> State:
        smaller = self.state.copy()
        smaller.size = size
        return smaller

    def _drop_ios(self) -> None:
        for number in range(len(self.state.in_flight)):
            part = len(self.state.in_flight[number])
            while part:
                smaller = self.state.copy()
                smaller.in_flight[number] = smaller.in_flight[number][part:]
                if len(smaller.in_flight[number]) == len(self.state.in_flight[number]) or not self._accept(smaller):
                    part //= 2

    def _ios_smaller(self) -> None:
        """The last I/O of each path first: the others stay as large as they may be."""
        for number in range(len(self.state.in_flight)):
            for place in range(len(self.state.in_flight[number]) - 1, -1, -1):
                self.state = self._least(self.state.in_flight[number][place], _Resize(self, number, place).state)

    def _least(self, size: int, change: Callable[[int], State]) -> State:
        """By halves: the state of the least number of whole blocks up to `size` from which on it flips."""
        low, high = 0, size // BLOCK
        while high - low > 1:
            middle = (low + high) // 2
            if self._still(change(middle * BLOCK)):
                high = middle
            else:
                low = middle
        return change(high * BLOCK) if high * BLOCK < size else self.state


class _Resize:
    """One I/O of a state has another size."""

    def __init__(self, shrinker: Shrinker, number: int, place: int) -> None:
        self.shrinker = shrinker
        self.number = number
        self.place = place

    def state(self, size: int) -> State:
        changed = self.shrinker.state.copy()
        changed.in_flight[self.number][self.place] = size
        return changed


def shrink(chooser: Chooser, state: State) -> State:
    """The least state that flips in place of `state`. ValueError when that does not."""
    shrinker = Shrinker(chooser, state)
    shrinker.work()
    return shrinker.state
