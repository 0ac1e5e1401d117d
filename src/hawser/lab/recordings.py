"""Recordings: scripts that ran on a real kernel, what it printed, and what the machine of `hawser dm --batch` prints.

Both sides read the same file. What a command has said is its output, what it complained of, its exit status unless that is 0, and
what device mapper has logged.
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final

from hawser.lab.batch import Batch
from hawser.lab.batch_text import Command, parse_batch
from hawser.lab.conformance.comparer import lines_of_device_mapper
from hawser.lab.conformance.protocol import Json
from hawser.lab.conformance.transcript import read_transcript

PLACE: Final = "hawser.lab.recorded"
SCRIPT: Final = ".dm"
TRANSCRIPT: Final = ".jsonl"
LIFE: Final = "life"
OVERFLOW: Final = "service-time-overflow"
# What only one side has: there the disk is there before the first command.
DISK: Final = "disk"
# The recorder's word for what a script calls join.
JOINS: Final = {"join": "wait"}


class RecordingError(ValueError):
    """A script and its recording do not belong together; the text says where."""


@dataclass(frozen=True)
class Said:
    """A command of a script, with what it reads, and `lines`: what it has said."""

    words: list[str]
    stdin: str
    lines: list[str]

    def text(self) -> list[str]:
        """As in a terminal."""
        command = "$ " + " ".join(quoted(word) for word in self.words)
        here = [*self.stdin.splitlines(), "END"] if self.stdin else []
        return [f"{command} <<END" if self.stdin else command, *here, *self.lines]


@dataclass(frozen=True)
class Recording:
    """`kernel` and `dmsetup`: their versions."""

    kernel: str
    dmsetup: str
    said: list[Said]


def quoted(word: str) -> str:
    return f"'{word}'" if " " in word or not word else word


def script(name: str) -> str:
    """The text of a script."""
    return files(PLACE).joinpath(name + SCRIPT).read_text(encoding="utf-8")


def commands(text: str) -> list[Command]:
    """What is run of a script."""
    return [command for command in parse_batch(text) if command.words[0] != DISK]


def remarks(text: str) -> list[list[str]]:
    """For each command that is run of a script, the comments that stand between it and the one before."""
    lines = text.splitlines()
    found: list[list[str]] = []
    above = 0
    for command in commands(text):
        between = lines[above : command.line - 1]
        found.append([line.removeprefix("#").strip() for line in between if line.startswith("#")])
        above = command.line
    return found


def recorded(name: str) -> Recording:
    """What Linux has printed. RecordingError when it is not that of the script as it is now."""
    return recording_of(script(name), files(PLACE).joinpath(name + TRANSCRIPT).read_text(encoding="utf-8"))


def recording_of(text: str, transcript_text: str) -> Recording:
    """A script's text and the transcript that was made of it."""
    transcript = read_transcript(transcript_text)
    wanted = commands(text)
    if len(wanted) != len(transcript.steps):
        raise RecordingError(f"of {len(wanted)} commands {len(transcript.steps)} were recorded: record them again")
    said: list[Said] = []
    for command, step in zip(wanted, transcript.steps, strict=True):
        words = [JOINS.get(command.words[0], command.words[0]), *command.words[1:]]
        if (words, command.stdin) != (step["cmd"], step.get("stdin", "")):
            raise RecordingError(
                f"line {command.line}: it was {' '.join(step['cmd'])} that was recorded: record it again"
            )
        said.append(Said(command.words, command.stdin, _lines(step)))
    return Recording(transcript.header["kernel"], transcript.header["dmsetup"], said)


def played(text: str, selector: tuple[str, str] = ("", "")) -> list[Said]:
    """What hawser prints of a script, in virtual time. `selector`: a name in tables, and that of the one that stands in for it;
    what is printed has the former. RecordingError when a command fails that is not allowed to."""
    name, other = selector
    return list(_played(text, *(selector if name != other else ("", ""))))


# It is always the same, and takes a while.
@lru_cache(maxsize=8)
def _played(text: str, name: str, other: str) -> tuple[Said, ...]:
    def told(words: str) -> str:
        return words.replace(f" {name} ", f" {other} ") if name else words

    def shown(line: str) -> str:
        return line.replace(f" {other} ", f" {name} ") if name else line

    batch = Batch(_no_file)
    said: list[Said] = []
    for command in parse_batch(text):
        words = [told(word) for word in command.words]
        outcome = batch.run(Command(command.line, words, told(command.stdin), command.keeps_on))
        if outcome.rc and not command.keeps_on:
            raise RecordingError(f"line {command.line}: {' '.join(command.words)}: {outcome.stderr or outcome.rc}")
        if command.words[0] != DISK:
            step = {
                "rc": outcome.rc,
                "stdout": outcome.stdout,
                "stderr": outcome.stderr,
                "kmsg": "\n".join(outcome.log),
            }
            said.append(Said(command.words, command.stdin, [shown(line) for line in _lines(step)]))
    return tuple(said)


def differing(one: list[Said], other: list[Said]) -> list[int]:
    """The numbers of the commands, from 0, of which two sides say something else."""
    assert len(one) == len(other)
    return [number for number in range(len(one)) if one[number].lines != other[number].lines]


def _no_file(path: str) -> str | None:
    return None


def _lines(step: Json) -> list[str]:
    rc = step["rc"]
    said = [*step["stdout"].splitlines(), *step["stderr"].splitlines()]
    if rc != 0:
        said.append(f"[exit status {rc}]")
    return said + [f"[log] {line}" for line in lines_of_device_mapper(step["kmsg"])]
