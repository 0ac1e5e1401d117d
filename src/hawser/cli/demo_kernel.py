"""`hawser demo kernel`: one script on Linux and on hawser, and the difference, which is none; a defect of Linux's, found by seed.

Linux's side was recorded (hawser.lab.recordings says how), hawser's is played now, in virtual time.
"""

import difflib
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from hawser import __version__
from hawser.build_info import build_kind
from hawser.core.units import MIB
from hawser.lab.experiments.service_time_overflow import failback
from hawser.lab.experiments.service_time_states import HALF, Case, cases_of, difference
from hawser.lab.model.flips import Chooser, Shrinker, State, draw, hunt
from hawser.lab.model.play import play
from hawser.lab.model.service_time_int32 import NAME as INT32
from hawser.lab.recordings import LIFE, OVERFLOW, Recording, Said, differing, played, recorded, remarks, script

SEEDS: Final = 4000
# Reads of 1 MiB that stay open: so many that the sign is wrong.
OPEN: Final = 24
SHIPPED: Final = "service-time"
LINUX_FILE: Final = "linux.txt"
HAWSER_FILE: Final = "hawser.txt"
INDENT: Final = "    "

Echo = Callable[[str], None]


@dataclass(frozen=True)
class Sides:
    """One script, as both have played it."""

    linux: Recording
    hawser: list[Said]


def life() -> Sides:
    return Sides(recorded(LIFE), played(script(LIFE)))


def run_kernel_demo(echo: Echo, into: Path | None, sides: Sides | None = None, selector: str = SHIPPED) -> int:
    """The exit status: 0 when both have said the same, and service-time as shipped has no flip where Linux's has. `sides`: of the
    life, instead of those that there are; `selector`: what counts as shipped."""
    echo("1. One script, two machines: a multipath device's life\n")
    is_same = _tell_life(echo, sides or life(), into)
    echo("\n2. The sign of service-time, which flips in Linux: found by seed, shrunk, and asked of the kernel\n")
    is_right = _tell_flip(echo, selector)
    return 0 if is_same and is_right else 1


# One script, two machines.


def _tell_life(echo: Echo, sides: Sides, into: Path | None) -> bool:
    linux = sides.linux
    echo(f"  linux    {linux.kernel}, dmsetup {linux.dmsetup}: a recording")
    echo(f"  hawser   {__version__}, {build_kind()}: now, in virtual time")
    echo(f"  script   {LIFE}.dm, {len(linux.said)} commands; `hawser dm --batch` runs it, too")
    echo("  What both have said stands there once; what only one has said is marked.")
    for ours, theirs, above in zip(sides.hawser, linux.said, remarks(script(LIFE)), strict=True):
        for line in above:
            echo(f"\n  {line}\n")
        for line in _together(theirs, ours):
            echo(INDENT + line)
    with TemporaryDirectory(prefix="hawser-") as scratch:
        folder = into or Path(scratch)
        for name, said in ((LINUX_FILE, linux.said), (HAWSER_FILE, sides.hawser)):
            (folder / name).write_text("".join(f"{line}\n" for one in said for line in one.text()))
        differences = _diff(folder)
    lines = sum(len(one.text()) for one in linux.said)
    echo(f"\n{INDENT}$ wc -l {LINUX_FILE}\n{INDENT}{lines} {LINUX_FILE}")
    echo(f"{INDENT}$ diff -u {LINUX_FILE} {HAWSER_FILE}")
    for line in differences:
        echo(INDENT + line)
    echo(f"{INDENT}$ echo $?\n{INDENT}{int(bool(differences))}")
    return not differences


def _together(theirs: Said, ours: Said) -> list[str]:
    if theirs == ours:
        return theirs.text()
    same = len(theirs.text()) - len(theirs.lines)
    head = theirs.text()[:same]
    return [*head, *(f"linux  | {line}" for line in theirs.lines), *(f"hawser | {line}" for line in ours.lines)]


def _diff(folder: Path) -> list[str]:
    """What diff(1) says of the two files, or Python where there is none."""
    program = shutil.which("diff")
    if program is not None:
        done = subprocess.run(
            [program, "-u", LINUX_FILE, HAWSER_FILE], cwd=folder, capture_output=True, text=True, check=False
        )
        return (done.stdout + done.stderr).splitlines()
    linux, ours = ((folder / name).read_text().splitlines() for name in (LINUX_FILE, HAWSER_FILE))
    return list(difflib.unified_diff(linux, ours, LINUX_FILE, HAWSER_FILE, lineterm=""))


# The flip.


def _tell_flip(echo: Echo, selector: str) -> bool:
    kernels = Chooser(INT32)
    hunted = hunt(kernels, Chooser(selector), 0, SEEDS)
    flipped, others = len(hunted.flips), hunted.others_flips
    echo(f"  Each of {SEEDS:,} seeds draws a table's weights, the I/Os in flight on each path, and the next I/O.")
    echo("  Linux's arithmetic (an int from the difference of two size_t) takes a path that is not the best in")
    echo(f"  {flipped} of these states, hawser's in {others}; fractions say which is the best.")
    if not hunted.flips:
        return False
    state = draw(hunted.flips[0])
    shrinker = Shrinker(kernels, state)
    shrinker.work()
    echo(f"\n  The first is seed {hunted.flips[0]}:\n")
    _tell_state(echo, state)
    echo(f"\n  The least state to which it shrinks, in {shrinker.tries} tries:\n")
    _tell_state(echo, shrinker.state)
    linux = recorded(OVERFLOW)
    modelled, ours = (played(script(OVERFLOW), (SHIPPED, name)) for name in (INT32, selector))
    is_asked = _tell_answer(echo, linux, ours, shrinker.state)
    sides = list(zip(cases_of(linux.said), cases_of(modelled), cases_of(ours), strict=True))
    _tell_cases(echo, linux.kernel, sides)
    unlike = len(differing(linux.said, modelled))
    theirs, wrong = (sum(case.took_slow for case in cases) for cases in (cases_of(linux.said), cases_of(ours)))
    echo(f"\n  Linux left the idle fast path alone in {theirs} of {len(sides)} cases, hawser in {wrong}. Given Linux's")
    echo(f"  arithmetic, hawser answers {unlike} of the script's {len(linux.said)} commands unlike Linux.")
    _tell_cost(echo, selector)
    return is_asked and not unlike and not wrong and not others


def _tell_cost(echo: Echo, selector: str) -> None:
    theirs, ours = (play(failback(name, OPEN), 1)["mb_per_s"] for name in (INT32, selector))
    echo(
        f"\n  What it costs, in the model: {OPEN} reads of 1 MiB stay open, the fast path fails and comes back. From then"
    )
    echo(f"  on the map reads {theirs:,.1f} MB/s with Linux's arithmetic, {ours:,.1f} with hawser's; for more of it:")
    echo(f"  hawser lab run {OVERFLOW}")


def _tell_state(echo: Echo, state: State) -> None:
    for line in state.text().split("; "):
        echo(INDENT + line)


def _tell_answer(echo: Echo, linux: Recording, ours: list[Said], small: State) -> bool:
    """What both said in the least state. False when Linux was not asked, or has not flipped."""
    load = max(small.load(number) for number in range(len(small.weights)))
    pairs = zip(cases_of(linux.said), cases_of(ours), strict=True)
    for kernel, our in pairs:
        if (kernel.load, kernel.size) == (load, small.size):
            echo(f"\n  Linux {linux.kernel} was brought there: 254:0 is the path of weight 1, 254:1 the idle one, just")
            echo("  reinstated. Then:\n")
            echo(f"{INDENT}$ io read /dev/mapper/mp bs={small.size}       # and at once")
            echo(f"{INDENT}$ dmsetup status mp")
            echo(f"{INDENT}linux  | {kernel.status}")
            echo(f"{INDENT}hawser | {our.status}")
            echo(f"\n  On Linux the read took the {kernel.path()} path, on hawser the {our.path()} one.")
            return kernel.took_slow
    echo(f"\n  Linux was not asked about it: {OVERFLOW}.dm has no such case.")
    return False


def _tell_cases(echo: Echo, release: str, sides: Sequence[tuple[Case, Case, Case]]) -> None:
    echo(
        f"\n  {'in flight, bytes':>18}{'MiB':>8}{'next':>11}{'D / 2^31':>12}   {'Linux ' + release:16}{'arithmetic':14}hawser"
    )
    for kernel, model, our in sides:
        parts = difference(kernel.load, kernel.size) / HALF
        echo(
            f"  {kernel.load:18,}{kernel.load / MIB:8.2f}{kernel.size:11,}{parts:12.6f}   "
            f"{kernel.path():16}{model.path():14}{our.path()}"
        )
