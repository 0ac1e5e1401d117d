"""Comparer: what was recorded against what the runner has answered, field by field."""

from dataclasses import dataclass
from typing import Any, Final

from hawser.lab.conformance.protocol import FIELDS, Json

LOG_PREFIX: Final = "device-mapper:"


@dataclass(frozen=True)
class Difference:
    """`step` is the line of the file, the header being line 0."""

    step: int
    cmd: list[str]
    field: str
    expected: Any
    got: Any


def compared_fields(step: Json) -> list[str]:
    """The fields of a recorded step that can be compared: not those that differ from run to run, or are somebody else's text."""
    fields = [name for name in FIELDS if name not in (step.get("unstable") or [])]
    if step.get("nondeterministic"):
        fields = [name for name in fields if name != "stdout"]
    if step.get("exempt"):
        fields = [name for name in fields if name not in ("stdout", "stderr")]
    return fields


def compare(number: int, step: Json, answer: Json) -> list[Difference]:
    """In the order of the fields. One that could not be run differs in everything."""
    cmd = [str(word) for word in step["cmd"]]
    if "error" in answer:
        return [Difference(number, cmd, "run", "to be run", answer["error"])]
    found: list[Difference] = []
    for name in compared_fields(step):
        expected, got = step.get(name, ""), answer.get(name, "")
        if name == "kmsg":
            expected, got = lines_of_device_mapper(expected), lines_of_device_mapper(got)
        if expected != got:
            found.append(Difference(number, cmd, name, expected, got))
    return found


def lines_of_device_mapper(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.startswith(LOG_PREFIX)]
