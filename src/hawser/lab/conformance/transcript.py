"""Transcript: a file of the set, read into its header and its steps."""

import json
from dataclasses import dataclass

from hawser.lab.conformance.protocol import Json


class TranscriptError(ValueError):
    """A file that is no transcript; the text says why."""


@dataclass(frozen=True)
class Transcript:
    header: Json
    steps: list[Json]


def read_transcript(text: str) -> Transcript:
    """The transcript of a file's text: JSON lines, the first one the header. TranscriptError."""
    values: list[Json] = []
    for number, line in enumerate(text.splitlines()):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise TranscriptError(f"line {number} is no JSON: {error}") from None
        if not isinstance(value, dict):
            raise TranscriptError(f"line {number} is no object")
        values.append(value)
    if not values or "devices" not in values[0]:
        raise TranscriptError("the first line is no header: it has no `devices`")
    for number, step in enumerate(values[1:], 1):
        if not isinstance(step.get("cmd"), list) or not step["cmd"]:
            raise TranscriptError(f"line {number} has no `cmd`")
    return Transcript(values[0], values[1:])
