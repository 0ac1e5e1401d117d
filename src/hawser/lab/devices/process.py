"""Process: one life of a server's program, from its start until it has gone with everything that it had begun.

Fault model. A killed process begins nothing more, but what it has begun is in system calls that cannot be called back: they
take effect, and only then has the process gone (`killed-server-drains.py` of the hazards). Whoever holds a pidfd is told then,
not before.
"""

from typing import TYPE_CHECKING

from mypy_extensions import mypyc_attr

if TYPE_CHECKING:
    from hawser.lab.devices.connection import Connection


@mypyc_attr(allow_interpreted_subclasses=True)
class ProcessWatcher:
    """Who holds a pidfd and waits for it."""

    def process_gone(self) -> None:
        raise NotImplementedError


class Process:
    """`begun` counts commands in system calls. `size_sectors` and `read_only` are what it says of its disk; `other`: the sectors
    of the wrong disk, where it serves one."""

    def __init__(self, number: int, size_sectors: int, read_only: bool, other: dict[int, int] | None) -> None:
        self.number = number
        self.size_sectors = size_sectors
        self.read_only = read_only
        self.other = other
        self.begun = 0
        self.is_killed = False
        self.is_gone = False
        self.connections: list[Connection] = []
        self.watchers: list[ProcessWatcher] = []

    def watch(self, watcher: ProcessWatcher) -> None:
        self.watchers.append(watcher)

    def ignore(self, watcher: ProcessWatcher) -> None:
        if watcher in self.watchers:
            self.watchers.remove(watcher)

    def gone(self) -> None:
        """Its last system call has returned."""
        self.is_gone = True
        connections = self.connections
        self.connections = []
        for connection in connections:
            connection.process_gone()
        watchers = self.watchers
        self.watchers = []
        for watcher in watchers:
            watcher.process_gone()
