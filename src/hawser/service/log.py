"""Log lines on stderr: time, level, text; one line each."""

import sys
from datetime import datetime
from typing import Final, TextIO

from hawser.core.log import DEBUG, ERR, INFO, WARNING, LogSink

_NAMES: Final = {ERR: "error", WARNING: "warning", INFO: "info", DEBUG: "debug"}


class StderrLog(LogSink):
    """Writes lines up to `level`; keeps all, as LogSink does."""

    def __init__(self, level: int = INFO, stream: TextIO | None = None) -> None:
        super().__init__()
        self.level = level
        self.stream = stream if stream is not None else sys.stderr

    def emit(self, level: int, text: str) -> None:
        super().emit(level, text)
        if level <= self.level:
            stamp = datetime.now().astimezone().isoformat(sep=" ", timespec="milliseconds")
            try:
                self.stream.write(f"{stamp} {_NAMES.get(level, level)}: {text}\n")
                self.stream.flush()
            except (OSError, ValueError):
                # Nobody reads the log any more; that is no reason to stop serving.
                self.level = -1
