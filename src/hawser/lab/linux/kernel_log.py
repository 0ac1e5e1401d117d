"""KernelLog: the lines that the kernel's log would have got since it was last read."""

from hawser.core.log import LogSink

PREFIX = "device-mapper: "


class KernelLog(LogSink):
    """What the engine says goes in as device mapper's; what only hawser would say (`remark`) does not go in."""

    def __init__(self) -> None:
        super().__init__()
        self._unread: list[str] = []

    def emit(self, level: int, text: str) -> None:
        self._unread.append(PREFIX + text)

    def remark(self, text: str) -> None:
        pass

    def take(self) -> list[str]:
        """The lines since the last call."""
        lines = self._unread
        self._unread = []
        return lines
