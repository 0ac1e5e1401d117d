"""Operator: who suspends, reloads and switches a small world's map, at any moment and in any order.

Verbs: `flush` and `noflush` (suspend), `load` (the same table once more, as the inactive one), or a message. `resume` can be done
whenever the map is suspended, or about to be; that takes back a suspend that is not complete.
"""

from typing import Final

from hawser.dm.mapped_device import MappedDevice
from hawser.dm.registry import DeviceRegistry
from hawser.dm.suspension import ACTIVE
from hawser.dm.table import Table, parse_lines
from hawser.lab.explore.story import Story

FLUSH: Final = "flush"
NOFLUSH: Final = "noflush"
LOAD: Final = "load"
RESUME: Final = "resume"


class Operator:
    """`line` is the table of `device`."""

    def __init__(self, device: MappedDevice, registry: DeviceRegistry, line: str, story: Story) -> None:
        self.device = device
        self.registry: DeviceRegistry = registry
        self.line = line
        self.story = story
        self._table: Table | None = device.table

    def may(self, verb: str) -> bool:
        """Whether it would do something now."""
        is_active = self.device._suspension.state == ACTIVE
        if verb == RESUME:
            return not is_active
        if verb in (FLUSH, NOFLUSH):
            return is_active
        return verb == LOAD or not self.device.is_suspended()

    def is_away(self) -> bool:
        """Whether the map takes no messages."""
        return self.device.is_suspended()

    def do(self, verb: str) -> None:
        device = self.device
        if self.story.told:
            self.story.tell(f"an operator does: {verb}")
        if verb == RESUME:
            device.resume()
        elif verb in (FLUSH, NOFLUSH):
            device.suspend(verb == NOFLUSH)
        elif verb == LOAD:
            device.load(parse_lines(self.line), self.registry)
        else:
            device.message(0, verb.split())

    def has_swapped(self) -> bool:
        """Whether the live table is another one than when this was asked before."""
        before, self._table = self._table, self.device.table
        return before is not self._table

    def state(self) -> list[object]:
        """What decides about the future and is not reached from the targets."""
        device = self.device
        return [device._suspension, device.inactive is not None, device.retired]
