"""Shell: the programs that there are, by name."""

from collections.abc import Callable
from typing import Final

from hawser.dm.dmsetup.program import Answer, dmsetup
from hawser.lab.linux.programs.blockdev import blockdev
from hawser.lab.linux.programs.coreutils import cat, echo, ls
from hawser.lab.linux.programs.dd import dd
from hawser.lab.linux.programs.io import io
from hawser.lab.linux.programs.small import blk, hold, iostat, sleep, sysfs
from hawser.lab.linux.system import Output, System
from hawser.lab.linux.tasks import Run

Program = Callable[[System, list[str], Output], Run]

# Those that the recorder does itself: they are never killed for taking long.
BUILT_IN: Final[dict[str, Program]] = {
    "io": io,
    "sleep": sleep,
    "sysfs": sysfs,
    "iostat": iostat,
    "blk": blk,
    "hold": hold,
}
PROGRAMS: Final[dict[str, Program]] = {"dd": dd, "blockdev": blockdev, "ls": ls, "cat": cat, "echo": echo}
DMSETUP: Final = "dmsetup"
NOT_FOUND: Final = 127


def is_known(name: str) -> bool:
    return name == DMSETUP or name in BUILT_IN or name in PROGRAMS


def run(system: System, argv: list[str], stdin: str, output: Output) -> Run:
    """The program that `argv` names, as a task."""
    if argv[0] == DMSETUP:
        return _dmsetup(system, argv, stdin, output)
    program = BUILT_IN.get(argv[0]) or PROGRAMS.get(argv[0])
    if program is None:
        return _not_found(output)
    return program(system, argv, output)


def _dmsetup(system: System, argv: list[str], stdin: str, output: Output) -> Run:
    answer = Answer()
    yield from dmsetup(system.control, system.surroundings, argv[1:], stdin, answer)
    for words in answer.programs:
        # What dmsetup prints itself comes at its end, as its output is buffered.
        if is_known(words[0]):
            yield from run(system, words, "", output)
    output.write(answer.stdout, answer.stderr)
    return answer.rc


def _not_found(output: Output) -> Run:
    output.write("", "not found")
    yield from ()
    return NOT_FOUND
