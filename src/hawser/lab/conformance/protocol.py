"""What the runner is told of a transcript, and what it answers: the line between it and the comparer.

Both speak JSON, a line at a time. A header makes a new machine, a step is run on it:

    {"header": {...}}                          {"ready": true}                    or {"error": ...}
    {"step": {"cmd": ..., "stdin": ..., ...}}  {"rc", "stdout", "stderr", "kmsg"} or {"skip": KIND} or {"error": ...}

Of a header the runner gets what the devices and the kernel are, of a step the command and what it needs to be run. Names of
files, titles and notes, and everything that a command has printed, stay with the comparer.
"""

from typing import Any, Final

Json = dict[str, Any]

HEADER_FIELDS: Final = ("kernel", "dmsetup", "cpus", "devices", "dm_major", "modules", "targets", "dm_params")
STEP_FIELDS: Final = ("cmd", "stdin", "timeout", "devices")
FIELDS: Final = ("rc", "stdout", "stderr", "kmsg")


def ask_for_machine(header: Json) -> Json:
    """The message that makes a machine."""
    return {"header": {name: header[name] for name in HEADER_FIELDS if name in header}}


def ask_for_step(step: Json) -> Json:
    """The message that has a step run."""
    return {"step": {name: step[name] for name in STEP_FIELDS if name in step}}
