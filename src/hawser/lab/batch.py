"""Batch: commands of dmsetup, and of a few other programs, on a machine of its own in virtual time: no server, no kernel.

The machine is the one on which kernel transcripts are replayed (hawser.lab.linux). Each command is run to its end, or until
nothing more can happen; time passes only where something waits for it, and at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hawser import plugins
from hawser.dm import targets
from hawser.dm.dmsetup.program import VERBS
from hawser.dm.parameters import NO_PATH_TIMEOUT, Parameters
from hawser.lab.batch_disks import DiskBook, DiskError, parse_disk
from hawser.lab.batch_text import Command
from hawser.lab.batch_usage import wrong_with
from hawser.lab.linux.facts import FactError
from hawser.lab.linux.machine import Machine, Step
from hawser.lab.linux.surroundings import LinuxSurroundings
from hawser.multipath import target as multipath_target

TARGET_MODULES: Final = (targets, multipath_target)
DISK: Final = "disk"
DMSETUP: Final = "dmsetup"
# Begin a command in the background, and wait for its end.
BACKGROUND: Final = "bg"
JOIN: Final = "join"
PROGRAMS: Final = ("io", "dd", "blockdev", "blk", "hold", "iostat", "sysfs", "cat", "sleep")
# No command takes longer, in virtual time; `join` waits no longer unless it says how long.
PATIENCE_S: Final = 3600
JOIN_S: Final = 60
# Of /sys/module/dm_multipath/parameters, which `sysfs` shows and sets.
TIMEOUT_FILE: Final = NO_PATH_TIMEOUT.removeprefix("dm_multipath.")
FAILED: Final = 1
STUCK: Final = 124


@dataclass(frozen=True)
class Outcome:
    """`log` are the lines that a kernel would have logged."""

    rc: int
    stdout: str
    stderr: str
    log: list[str]


class Batch:
    """`read_file` gives the text of a file with a table, or None. `parameters` are the machine's, as `NAME=VALUE`
    (hawser.dm.parameters); ParameterError when one of them is none."""

    def __init__(self, read_file: Callable[[str], str | None], parameters: Sequence[str] = ()) -> None:
        plugins.offer()
        given = Parameters()
        for text in parameters:
            given.assign(text)
        timeout_s = given.queue_if_no_path_timeout_secs
        # What sysfs has of a module is what the header says.
        self.machine = Machine({"devices": {}, "dm_params": {"dm_multipath": {TIMEOUT_FILE: timeout_s}}})
        self.machine.system.devices.parameters.semantics = given.semantics
        self._disks = DiskBook()
        surroundings = self.machine.system.surroundings
        assert isinstance(surroundings, LinuxSurroundings)
        surroundings.reader = read_file

    def add_disk(self, words: list[str]) -> None:
        """Declare a disk. DiskError when it cannot be made."""
        spec = parse_disk(words)
        facts = self._disks.describe(spec)
        try:
            self.machine.add_devices({spec.name: facts})
        except (FactError, ValueError) as error:
            raise DiskError(f"disk {spec.name}: {error}") from None

    def run(self, command: Command) -> Outcome:
        """Run a command. What cannot be run at all fails, with the reason on its standard error."""
        words = command.words
        first = words[0]
        if first == DISK:
            try:
                self.add_disk(words[1:])
            except DiskError as error:
                return _refused(str(error))
            return Outcome(0, "", "", [])
        if first == JOIN:
            return self._join(words[1:])
        if first == BACKGROUND:
            if len(words) < 3:
                return _refused("bg NAME COMMAND...: begin a command, for join NAME to wait for")
            argv = _argv(words[2:])
            return self._run(["bg", words[1], *argv], "", argv) if argv else _refused(_unknown(words[2]))
        argv = _argv(words)
        return self._run(argv, command.stdin, argv) if argv else _refused(_unknown(first))

    def _join(self, words: list[str]) -> Outcome:
        if not 1 <= len(words) <= 2:
            return _refused("join NAME [SECONDS]: wait for what bg has begun")
        try:
            seconds = float(words[1]) if len(words) > 1 else JOIN_S
        except ValueError:
            return _refused(f"join: {words[1]!r} is no number of seconds")
        if not 0 <= seconds <= PATIENCE_S:
            return _refused(f"join: 0 to {PATIENCE_S} seconds")
        return self._run(["wait", words[0]], "", [], seconds)

    def _run(self, argv: list[str], stdin: str, program: list[str], seconds: float = PATIENCE_S) -> Outcome:
        """`program`: of a step that begins one, its words."""
        wrong = wrong_with(program) if program else ""
        if wrong:
            return _refused(wrong)
        try:
            result = self.machine.run(Step(argv, stdin, seconds))
        except (FactError, ValueError, IndexError) as error:
            return _refused(f"{(program or argv)[0]}: cannot be run: {error}")
        if isinstance(result.rc, int):
            return Outcome(result.rc, result.stdout, result.stderr, result.log)
        said = {
            "timeout": f"it does not end: nothing that it waits for happens within {seconds:g} s",
            "running": f"it has not ended within {seconds:g} s",
            "ended": "nothing of that name was begun, or it was waited for already",
        }
        log = result.log
        rc = FAILED if result.rc == "ended" else STUCK
        return Outcome(rc, result.stdout, f"{result.stderr}{said.get(result.rc, result.rc)}\n", log)


def _argv(words: list[str]) -> list[str]:
    """The program's words: of dmsetup, whose name may be left out, or of another one. Empty when there is none."""
    first = words[0]
    if first == DMSETUP or first in PROGRAMS:
        return words
    return [DMSETUP, *words] if first in VERBS or first.startswith("-") else []


def _unknown(word: str) -> str:
    return f"{word}: no verb of dmsetup, and none of {DISK}, {', '.join(PROGRAMS)}, {BACKGROUND}, {JOIN}"


def _refused(reason: str) -> Outcome:
    return Outcome(FAILED, "", f"{reason}\n", [])
