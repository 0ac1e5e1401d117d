"""KernelLog: the lines that the kernel's log would have got since it was last read."""

from hawser.core.log import LogSink

PREFIX = "device-mapper: "
# What is said so often at most at once, and how its text ends. Linux: DMWARN_LIMIT, pr_warn_ratelimited().
BURST = 10
LIMITED = "repeat_count > 1 is deprecated, using 1 instead"


class KernelLog(LogSink):
    """What the engine says goes in as device mapper's; what only hawser would say (`remark`) does not go in."""

    def __init__(self) -> None:
        super().__init__()
        self._unread: list[str] = []

    def emit(self, level: int, text: str) -> None:
        line = PREFIX + text
        if text.endswith(LIMITED) and self._unread.count(line) >= BURST:
            return
        self._unread.append(line)

    def remark(self, text: str) -> None:
        pass

    def take(self) -> list[str]:
        """The lines since the last call."""
        lines = self._unread
        self._unread = []
        return lines
