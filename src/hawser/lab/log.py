"""The engine's log in the laboratory: every line is an event of the trace, and some are marks."""

from typing import Final

from hawser.core.log import LogSink
from hawser.lab.devices.hardware import Hardware

# What the engine says -> the mark that it is.
MARK_OF_TEXT: Final = (
    ("flushes fail until the disk is opened again", "doubt"),
    ("queued I/O fails", "queue timeout"),
    ("I/O queues again", "queueing again"),
    ("do not hold what was last written there; it is not used", "mismatch"),
    (": server flushed", "cache flushed"),
    ("what its cache held was written again", "written again"),
    ("writes wait until a flush has made room", "retained too much"),
    ("removed from badblocklist by write", "dust block written"),
    ("could not be activated in", "activation failed a path"),
    ("activating it has failed", "activation failed a path"),
)


class TracingLog(LogSink):
    def __init__(self, hardware: Hardware) -> None:
        super().__init__()
        self.hardware = hardware

    def emit(self, level: int, text: str) -> None:
        super().emit(level, text)
        self.hardware.trace.note("map", "says", text)
        for part, mark in MARK_OF_TEXT:
            if part in text:
                self.hardware.marks.hit(mark)
