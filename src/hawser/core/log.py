"""Where the engine says things: a sink that the world provides, with the kernel log's severity levels.

A message is one line without time stamp; the world adds that. `LogSink` itself keeps the last lines, which is all that tests
and the laboratory need; the service subclasses it.
"""

from collections import deque
from typing import Final

from mypy_extensions import mypyc_attr

ERR: Final = 3
WARNING: Final = 4
INFO: Final = 6
DEBUG: Final = 7

LINES_KEPT: Final = 1000


@mypyc_attr(allow_interpreted_subclasses=True)
class LogSink:
    """Keeps the newest LINES_KEPT lines as (level, text)."""

    def __init__(self) -> None:
        self.lines: deque[tuple[int, str]] = deque(maxlen=LINES_KEPT)

    def emit(self, level: int, text: str) -> None:
        self.lines.append((level, text))

    def error(self, text: str) -> None:
        self.emit(ERR, text)

    def warning(self, text: str) -> None:
        self.emit(WARNING, text)

    def warning_limited(self, text: str) -> None:
        """A warning that comes only so often, where the world limits it. Linux: DMWARN_LIMIT()."""
        self.warning(text)

    def info(self, text: str) -> None:
        self.emit(INFO, text)

    def remark(self, text: str) -> None:
        """A warning that Linux' own log does not have."""
        self.emit(WARNING, text)
