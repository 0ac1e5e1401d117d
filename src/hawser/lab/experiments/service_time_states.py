"""Where service-time flips with Linux's numbers, by arithmetic; the same by asking a selector; and what a kernel was asked.

A slow path has X bytes in flight, a fast one none; an I/O of n bytes comes. The difference of the products is
D = (X + n) w_fast - n w_slow, which is never negative: the fast path is the better one. An int keeps D modulo 2^32.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hawser.core.units import SECTOR_SIZE
from hawser.lab.model.flips import Chooser, State, flips
from hawser.lab.recordings import Said

HALF: Final = 1 << 31
# Weights of the paths in the script.
SLOW_WEIGHT: Final = 1
FAST_WEIGHT: Final = 100


def difference(load: int, size: int, slow: int = SLOW_WEIGHT, fast: int = FAST_WEIGHT) -> int:
    """D, exactly."""
    return (load + size) * fast - size * slow


def should_flip(load: int, size: int) -> bool:
    """Whether an int takes D for negative, or for 0: of two paths that are equal the first stays, which in the script and after a
    failback is the slow one. Of 2^31 exactly the int is as negative as its opposite, and the fast path is taken."""
    left = difference(load, size) % (2 * HALF)
    return left > HALF or left == 0


def wanted_interval(slow: int, fast: int, size: int) -> tuple[int, int]:
    """The least and the most bytes in flight on the slow path, in whole sectors, with which D is more than 2^31, and 2^32 at
    most."""
    own = size * (fast - slow)
    least = (HALF - own) // fast // SECTOR_SIZE * SECTOR_SIZE + SECTOR_SIZE
    most = (2 * HALF - own) // fast // SECTOR_SIZE * SECTOR_SIZE
    return least, most


def found_interval(chooser: Chooser, slow: int, fast: int, size: int) -> tuple[int, int] | None:
    """The same by asking: halving, from the middle of where it should flip. None when it does not flip there."""

    def slow_taken(sectors: int) -> bool:
        return flips(chooser, State([slow, fast], [[sectors * SECTOR_SIZE], []], size))

    middle = 3 * HALF // 2 // fast // SECTOR_SIZE
    if not slow_taken(middle):
        return None
    return _edge(slow_taken, 0, middle) * SECTOR_SIZE, _edge(slow_taken, 2 * middle, middle) * SECTOR_SIZE


def _edge(test: Callable[[int], bool], outside: int, inside: int) -> int:
    """The last number towards `outside` of which the test is true."""
    while abs(outside - inside) > 1:
        middle = (outside + inside) // 2
        if test(middle):
            inside = middle
        else:
            outside = middle
    return inside


@dataclass(frozen=True)
class Case:
    """Of the script: `load` bytes in flight on the slow path, then `size` more were read. `status`: what the map said then."""

    load: int
    size: int
    took_slow: bool
    status: str

    def path(self) -> str:
        return "slow" if self.took_slow else "fast"


def cases_of(said: Sequence[Said]) -> list[Case]:
    """The cases of the script, as one side has played them. The path is known by what each was sent all in all."""
    found: list[Case] = []
    load = size = 0
    status = ""
    for one in said:
        words = one.words
        if words[0] == "bg":
            count = int(words[-1].removeprefix("bs="))
            if words[1] == "large":
                load = count
            else:
                size = count
        elif words[:2] == ["dmsetup", "status"]:
            status = one.lines[0]
        elif words[:2] == ["iostat", "delta"]:
            fast = next(line for line in one.lines if line.startswith("fast:"))
            found.append(Case(load, size, "rd_ios=0 " in fast, status))
    return found
