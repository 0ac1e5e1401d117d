"""System: what a program of the simulated machine can get at, and what it prints."""

from typing import Final

from hawser.core.clock import NEVER
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.dm.condition import Delay
from hawser.dm.control import Control
from hawser.dm.dmsetup.call import Surroundings
from hawser.lab.linux.devices import LinuxDevices
from hawser.lab.linux.files import Files
from hawser.lab.linux.kit import Kit
from hawser.lab.linux.nodes import Nodes
from hawser.lab.linux.page_cache import PageCaches
from hawser.lab.linux.sysfs import Sysfs

EXIT_NS: Final = NS_PER_MS


class System:
    """`labels` are the nodes of the transcript's devices; `snapshots` what `iostat` remembers."""

    def __init__(
        self,
        kit: Kit,
        nodes: Nodes,
        devices: LinuxDevices,
        caches: PageCaches,
        files: Files,
        sysfs: Sysfs,
        control: Control,
        surroundings: Surroundings,
    ) -> None:
        self.kit = kit
        self.nodes = nodes
        self.devices = devices
        self.caches = caches
        self.files = files
        self.sysfs = sysfs
        self.control = control
        self.surroundings = surroundings
        self.labels: dict[str, str] = {}
        self.snapshots: dict[str, list[int]] = {}

    def exit_delay(self) -> Delay:
        """Before a program that has done its work closes its files: whoever waits for the same I/O in the kernel is faster."""
        return Delay(self.kit.clock.now_ns + EXIT_NS)

    def delay(self, seconds: float) -> Delay:
        """To be waited for."""
        return Delay(self.kit.clock.now_ns + max(0, round(seconds * NS_PER_S)))

    def deadline_ns(self, seconds: float) -> int:
        """So long from now; NEVER for a negative time."""
        return NEVER if seconds < 0 else self.kit.clock.now_ns + round(seconds * NS_PER_S)


class Output:
    """What a program has written, in pieces; `together` when both streams go to one place, as in the background."""

    def __init__(self, together: bool = False) -> None:
        self.together = together
        self._out: list[str] = []
        self._err: list[str] = self._out if together else []

    def put(self, line: str) -> None:
        """A line of standard output."""
        self._out.append(line + "\n")

    def complain(self, line: str) -> None:
        """A line of standard error."""
        self._err.append(line + "\n")

    def write(self, stdout: str, stderr: str) -> None:
        """All that a program has to say; complaints come out first, as only the other stream is buffered."""
        self._err.append(stderr)
        self._out.append(stdout)

    def stdout(self) -> str:
        return "".join(self._out)

    def stderr(self) -> str:
        return "" if self._err is self._out else "".join(self._err)
