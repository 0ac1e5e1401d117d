"""Table: the lines that say which target serves which sectors, and the checks that a whole table must pass.

A line is `START LENGTH TYPE WORDS...`, in sectors, as `dmsetup` takes it. Linux: drivers/md/dm-table.c, whose messages these are;
`seeds.md` 4.3 and 4.4 list them. What kind of device it makes is in hawser.dm.table_type, its limits in hawser.dm.restrictions.
"""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

from hawser.block.device import BlockDevice
from hawser.block.disk import Disk
from hawser.block.limits import QueueLimits
from hawser.core.log import LogSink
from hawser.core.units import is_number
from hawser.dm.restrictions import calculate_limits, has_no_data_devices, restrict
from hawser.dm.routes import Route, flush_routes
from hawser.dm.table_type import determine_kind
from hawser.dm.target import BIO_BASED, REQUEST_BASED, TARGETS, TableError, Target, TargetContext

# Linux: LLONG_MAX >> SECTOR_SHIFT.
SECTORS_MAX: Final = ((1 << 63) - 1) >> 9
ADDING_FAILED: Final = "ioctl: error adding target to table"
# The numbers of enum dm_queue_mode, as refusals print them.
KIND_NUMBERS: Final = {BIO_BASED: 1, REQUEST_BASED: 2}


@dataclass(frozen=True)
class TableLine:
    start: int
    length: int
    type_name: str
    words: list[str]


def parse_lines(text: str) -> list[TableLine]:
    """Table lines of `text`; empty lines and `#` comments are passed over. TableError names the line."""
    lines: list[TableLine] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 3 or not (is_number(words[0]) and is_number(words[1])):
            raise TableError(f"line {number} of the table, {line.strip()!r}, is not START LENGTH TYPE WORDS...")
        lines.append(TableLine(int(words[0]), int(words[1]), words[2], words[3:]))
    return lines


class Table:
    """Targets in order of their start, without gaps, from sector 0 to `size_sectors`.

    `device_kind` is the kind of the device that it is for (empty: not fixed yet), `live_kind` that of the device's live table;
    `faithful` is what the machine's Parameters say.
    """

    def __init__(
        self, targets: list[Target], device_kind: str = "", live_kind: str = "", faithful: bool = False
    ) -> None:
        self.targets = targets
        self.faithful = faithful
        self._starts = [target.start for target in targets]
        last = targets[-1] if targets else None
        self.size_sectors = last.start + last.length if last else 0
        self.kind = determine_kind(targets, device_kind, live_kind) if targets else ""
        for target in targets:
            target.kind = self.kind
        self.flush_routes: list[Route] = flush_routes(targets)

    def find(self, sector: int) -> Target:
        """The target that serves `sector`, which lies in the table."""
        targets = self.targets
        # Mostly it is the only one.
        return targets[0] if len(targets) == 1 else targets[bisect_right(self._starts, sector) - 1]

    def devices(self) -> list[BlockDevice]:
        """The devices below, each once, in order."""
        found: list[BlockDevice] = []
        for target in self.targets:
            for device in target.devices():
                if device not in found:
                    found.append(device)
        return found

    def disk(self, before: Disk | None) -> Disk | None:
        """The disk whose sectors have the same numbers here. `before`: that of the table before, for want of any below.

        None for stripes, pieces of several disks and whatever else counts its sectors in another way: fences are kept by number.
        """
        found: Disk | None = None
        for target in self.targets:
            for device, start, _ in target.areas():
                disk = device.disk
                if disk is None:
                    continue
                if start != target.start or (found is not None and disk is not found):
                    return None
                found = disk
        return found if found is not None else before

    def calculate_limits(self, owner: str, log: LogSink) -> QueueLimits:
        """The limits of the device `owner` with this table. TableError when a device below is too small or blocks do not fit."""
        return calculate_limits(self.targets, owner, log, self.faithful)

    def retain_limits(self, limits: QueueLimits) -> QueueLimits:
        """Those of the table before, for want of devices to take any from, without what this one lacks."""
        return restrict(self.targets, limits, self.faithful)

    def has_no_data_devices(self) -> bool:
        return has_no_data_devices(self.targets)

    def immutable_type(self) -> str:
        """The type that the next table must have too, or an empty string. Linux: dm_table_get_immutable_target_type()."""
        first = self.targets[0] if self.targets else None
        return first.type_name if first is not None and first.target_type().immutable else ""

    def has_wildcard(self) -> bool:
        return any(target.target_type().wildcard for target in self.targets)

    def withheld(self) -> int:
        count = 0
        for target in self.targets:
            count += target.withheld()
        return count

    def destroy(self) -> None:
        for target in self.targets:
            target.destroy()


def load_table(lines: list[TableLine], context: TargetContext, device_kind: str = "", live_kind: str = "") -> Table:
    """Make the targets. If anything goes wrong, what was made is destroyed and nothing has changed. Linux: populate_table()."""
    targets: list[Target] = []
    try:
        for line in lines:
            targets.append(_add_target(line, targets, context))
        return Table(targets, device_kind, live_kind, context.devices.module_parameters().faithful)
    except BaseException:
        for target in targets:
            target.destroy()
        raise


def _add_target(line: TableLine, before: list[Target], context: TargetContext) -> Target:
    """The target of the next line, unless it may not stand there: that is looked at first. Linux: dm_table_add_target()."""
    host = context.host.name()
    first = before[0] if before else None
    if first is not None and first.target_type().singleton:
        raise _refusal(f"{host}: target type {first.type_name} must appear alone in table")
    if line.length == 0:
        raise _refusal(f"{host}: zero-length target")
    if line.start + line.length > SECTORS_MAX:
        raise _refusal(f"{host}: too large device")
    if line.type_name not in TARGETS:
        raise _refusal(f"{host}: {line.type_name}: unknown target type")
    try:
        _check_neighbours(line, before)
        return TARGETS[line.type_name].make(context, line.start, line.length, line.words)
    except TableError as error:
        message = f"{host}: {line.type_name}: {error} (-{error.errno_name})"
        raise _refusal(message, error.errno_name) from None


def _check_neighbours(line: TableLine, before: list[Target]) -> None:
    found = TARGETS[line.type_name]
    if found.singleton and before:
        raise TableError("singleton target type must appear alone in table")
    if before:
        first = before[0].target_type()
        if (first.immutable or found.immutable) and first is not found:
            raise TableError("immutable target type cannot be mixed with other target types")
    if line.start != (before[-1].start + before[-1].length if before else 0):
        raise TableError("Gap in table")


def check_replacement(table: Table, live: Table | None, device_kind: str) -> None:
    """Refuse what may not follow `live`, or is not of the device's kind (empty: not fixed yet). Linux: table_load()."""
    immutable = live.immutable_type() if live is not None else ""
    if immutable and immutable != table.immutable_type() and not table.has_wildcard():
        message = f"can't replace immutable target type {immutable}"
    elif device_kind and device_kind != table.kind:
        old, new = KIND_NUMBERS[device_kind], KIND_NUMBERS[table.kind]
        message = f"can't change device type (old={old} vs new={new}) after initial table load."
    else:
        return
    raise TableError(message, "EINVAL", [f"ioctl: {message}"])


def _refusal(message: str, errno_name: str = "EINVAL") -> TableError:
    return TableError(message, errno_name, [f"table: {message}", ADDING_FAILED])
