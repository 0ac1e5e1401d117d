"""KernelLog: the lines that the kernel's log would have got since it was last read."""

from hawser.core.log import LogSink
from hawser.core.units import NS_PER_MS, NS_PER_S

# Linux: DEFAULT_RATELIMIT_INTERVAL, DEFAULT_RATELIMIT_BURST.
INTERVAL_NS = 5 * NS_PER_S
BURST = 10
# What a step takes on Linux, above what it takes here.
STEP_MORE_NS = 80 * NS_PER_MS

PREFIX = "device-mapper: "


class KernelLog(LogSink):
    """What the engine says goes in as device mapper's; what only hawser would say (`remark`) does not go in."""

    def __init__(self) -> None:
        super().__init__()
        self._unread: list[str] = []
        # What the time was when the last step ended: on Linux a step takes about so long.
        self.now_ns = 0
        self._steps = 0
        # When the current interval began and what has come in it, by text.
        self._limits: dict[str, tuple[int, int]] = {}

    def step_ended(self, now_ns: int) -> None:
        self._steps += 1
        self.now_ns = now_ns + self._steps * STEP_MORE_NS

    def warning_limited(self, text: str) -> None:
        """Linux: ___ratelimit()."""
        begun_ns, count = self._limits.get(text, (self.now_ns, 0))
        if self.now_ns > begun_ns + INTERVAL_NS:
            begun_ns, count = self.now_ns, 0
        self._limits[text] = (begun_ns, count + 1)
        if count < BURST:
            self.warning(text)

    def emit(self, level: int, text: str) -> None:
        self._unread.append(PREFIX + text)

    def remark(self, text: str) -> None:
        pass

    def take(self) -> list[str]:
        """The lines since the last call."""
        lines = self._unread
        self._unread = []
        return lines
