"""Table: the lines that say which target serves which sectors, and the checks that a whole table must pass.

A line is `START LENGTH TYPE WORDS...`, in sectors, as `dmsetup` takes it. Linux: drivers/md/dm-table.c, whose messages these are;
`seeds.md` 4.3 and 4.4 list them.
"""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

from hawser.block.device import BlockDevice
from hawser.block.limits import STACKING_START, QueueLimits, stack_limits
from hawser.core.units import is_number
from hawser.dm.target import BIO_BASED, REQUEST_BASED, TARGETS, TableError, Target, TargetContext

# Linux: LLONG_MAX >> SECTOR_SHIFT.
SECTORS_MAX: Final = ((1 << 63) - 1) >> 9


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

    `device_kind` is the kind of the device that it is for (empty: not fixed yet), `live_kind` that of the device's live table.
    """

    def __init__(self, targets: list[Target], device_kind: str = "", live_kind: str = "") -> None:
        self.targets = targets
        self._starts = [target.start for target in targets]
        last = targets[-1] if targets else None
        self.size_sectors = last.start + last.length if last else 0
        self.kind = _determine_kind(targets, device_kind, live_kind)
        for target in targets:
            target.kind = self.kind

    def find(self, sector: int) -> Target:
        """The target that serves `sector`, which lies in the table."""
        return self.targets[bisect_right(self._starts, sector) - 1]

    def devices(self) -> list[BlockDevice]:
        """The devices below, each once, in order."""
        found: list[BlockDevice] = []
        for target in self.targets:
            for device in target.devices():
                if device not in found:
                    found.append(device)
        return found

    def calculate_limits(self, owner: str) -> QueueLimits:
        """The limits, when the table is about to be live. TableError when a device below is too small or its blocks do not fit.

        Linux: dm_calculate_queue_limits(), which is asked at resume: a table that is too long for its paths can be loaded.
        """
        for target in self.targets:
            for device, start, length in target.areas():
                check_area(device, start, length, owner)
        return _stack(self.targets)

    def immutable_type(self) -> str:
        """The type that the next table must have too, or an empty string."""
        first = self.targets[0] if len(self.targets) == 1 else None
        return first.type_name if first is not None and first.immutable else ""

    def has_wildcard(self) -> bool:
        return any(target.wildcard for target in self.targets)

    def withheld(self) -> int:
        count = 0
        for target in self.targets:
            count += target.withheld()
        return count

    def destroy(self) -> None:
        for target in self.targets:
            target.destroy()


def load_table(lines: list[TableLine], context: TargetContext, device_kind: str = "", live_kind: str = "") -> Table:
    """Make the targets. On a TableError whatever was made is destroyed again and nothing has changed."""
    targets: list[Target] = []
    try:
        expected = 0
        for line in lines:
            targets.append(_make(line, expected, context))
            _check_singleton(targets, context)
            expected = line.start + line.length
        return Table(targets, device_kind, live_kind)
    except TableError:
        for target in targets:
            target.destroy()
        raise


def _make(line: TableLine, expected_start: int, context: TargetContext) -> Target:
    name = f"{context.host.name()}: {line.type_name}"
    if line.length == 0:
        raise TableError(f"{context.host.name()}: zero-length target")
    if line.start + line.length > SECTORS_MAX:
        raise TableError(f"{context.host.name()}: too large device")
    if line.type_name not in TARGETS:
        raise TableError(f"{name}: unknown target type")
    if line.start != expected_start:
        raise TableError(f"{name}: Gap in table (-EINVAL)")
    try:
        return TARGETS[line.type_name](context, line.start, line.length, line.words)
    except TableError as error:
        raise TableError(f"{name}: {error} (-{error.errno_name})", error.errno_name) from None


def _check_singleton(targets: list[Target], context: TargetContext) -> None:
    """Refuse a neighbour to a target that must be alone. Unlike the kernel: its own line is read first."""
    if len(targets) < 2:
        return
    name = context.host.name()
    if targets[0].singleton:
        raise TableError(f"{name}: target type {targets[0].type_name} must appear alone in table")
    newest = targets[-1]
    if newest.singleton:
        raise TableError(f"{name}: {newest.type_name}: singleton target type must appear alone in table (-EINVAL)")


def _determine_kind(targets: list[Target], device_kind: str, live_kind: str) -> str:
    """Bio-based or request-based, with the refusals of dm_table_determine_type()."""
    if len(targets) > 1:
        for target in targets:
            if target.immutable:
                raise TableError("immutable target type cannot be mixed with other target types")
    kinds = [target.kind for target in targets]
    if REQUEST_BASED in kinds and BIO_BASED in kinds:
        raise TableError("Inconsistent table: different target types can't be mixed up")
    if REQUEST_BASED not in kinds and (BIO_BASED in kinds or device_kind != REQUEST_BASED):
        return BIO_BASED
    if len(targets) > 1:
        raise TableError("request-based DM doesn't support multiple targets")
    devices = targets[0].devices()
    if not devices and live_kind:
        return live_kind
    for device in devices:
        if device.queue is None:
            raise TableError("table load rejected: including non-request-stackable devices")
    return REQUEST_BASED


def _stack(targets: list[Target]) -> QueueLimits:
    whole = STACKING_START
    for target in targets:
        part = STACKING_START
        for device in target.devices():
            part = stack_limits(part, device.limits)
        whole = stack_limits(whole, target.limits(part))
    return whole


def check_area(device: BlockDevice, start: int, length: int, owner: str) -> None:
    """Refuse a stretch that the device does not have, or that its blocks do not fit. Linux: device_area_is_invalid()."""
    if start + length > device.size_sectors:
        raise TableError(
            f"{owner}: {device.name} too small for target: start={start}, len={length}, dev_size={device.size_sectors}"
        )
    block_sectors = device.limits.logical_block_size >> 9
    if start % block_sectors or length % block_sectors:
        raise TableError(
            f"{owner}: start={start}, len={length} not aligned to h/w logical block size "
            f"{device.limits.logical_block_size} of {device.name}"
        )
