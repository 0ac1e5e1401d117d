"""The fields of reports (`-o`): what they are called, how wide they are, and where they are read.

lvm2: _report_types[] and _report_fields[] of libdm/dm-tools/dmsetup.c. Fields of statistics and of their regions are known by
name; there are no regions here, so that a report with one of them has no rows.
"""

from collections.abc import Callable
from typing import Final

from hawser.dm.dmsetup.call import Call
from hawser.dm.dmsetup.names import NameTextError, SplitName, mangle, split_device_name, unmangle
from hawser.dm.mapped_device import MappedDevice

DEFAULT_FIELDS: Final = "name,major,minor,attr,open,segments,events,uuid"
SPLIT_FIELDS: Final = "vg_name,lv_name,lv_layer"
# Groups of fields; `GROUP_all` asks for all of one.
NAME: Final = "name"
INFO: Final = "info"
DEPS: Final = "deps"
TREE: Final = "tree"
SPLIT: Final = "splitname"
STATS: Final = "stats"
REGION: Final = "region"
GROUPS: Final = (NAME, INFO, DEPS, TREE, SPLIT, STATS, REGION)
# Fields that every report has; the last two are a request for help.
SELECTED: Final = "selected"
HELP: Final = ("help", "?")


class Subject:
    """What a row is about: a device, or nothing but a name (`splitname`)."""

    def __init__(self, device: MappedDevice | None, split: SplitName | None) -> None:
        self.device = device
        self.split = split


class FieldError(ValueError):
    """A value that cannot be had; the text is the complaint."""


FieldReader = Callable[[Call, MappedDevice], str]
SplitReader = Callable[[SplitName], str]


class Field:
    """`width` is the least; `what` says what it is. One of statistics cannot be read."""

    def __init__(
        self,
        group: str,
        heading: str,
        width: int,
        is_number: bool,
        what: str,
        read: FieldReader | None = None,
        read_split: SplitReader | None = None,
    ) -> None:
        self.group = group
        self.heading = heading
        self.width = width
        self.is_number = is_number
        self.what = what
        self._read = read
        self._read_split = read_split

    def value(self, call: Call, subject: Subject) -> str | None:
        """None where the subject has no such thing. FieldError."""
        if self._read_split is not None:
            return self._read_split(subject.split) if subject.split is not None else None
        if self._read is not None and subject.device is not None:
            return self._read(call, subject.device)
        return None


def _name(call: Call, device: MappedDevice) -> str:
    return call.shown(device.name)


def _mangled(call: Call, text: str, what: str) -> str:
    try:
        return mangle(call.shown(text), what, call.mangling)
    except NameTextError:
        return text


def _mangled_name(call: Call, device: MappedDevice) -> str:
    return _mangled(call, device.name, "name")


def _unmangled_name(call: Call, device: MappedDevice) -> str:
    return unmangle(device.name)


def _uuid(call: Call, device: MappedDevice) -> str:
    return call.shown(device.uuid)


def _mangled_uuid(call: Call, device: MappedDevice) -> str:
    return _mangled(call, device.uuid, "UUID")


def _unmangled_uuid(call: Call, device: MappedDevice) -> str:
    return unmangle(device.uuid)


def _read_ahead(call: Call, device: MappedDevice) -> str:
    trouble = call.surroundings.why_no_read_ahead(device)
    if trouble:
        call.complain(trouble)
        return "0"
    return str(call.surroundings.read_ahead(device))


def _block_name(call: Call, device: MappedDevice) -> str:
    name = call.surroundings.block_name(device.devt)
    if not name:
        raise FieldError(f"Could not resolve block device name for {device.devt}.")
    return name


def _attributes(call: Call, device: MappedDevice) -> str:
    live = "L" if device.table is not None else "-"
    inactive = "I" if device.inactive is not None else "-"
    return live + inactive + ("s" if device.is_suspended() else "-") + ("r" if _is_read_only(call, device) else "w")


def _is_read_only(call: Call, device: MappedDevice) -> bool:
    if call.has("inactive"):
        return device.inactive is not None and device.inactive_read_only
    return device.shows_read_only()


def _tables_loaded(call: Call, device: MappedDevice) -> str:
    if device.table is not None:
        return "Both" if device.inactive is not None else "Live"
    return "Inactive" if device.inactive is not None else "None"


def _suspended(call: Call, device: MappedDevice) -> str:
    return "Suspended" if device.is_suspended() else "Active"


def _read_only(call: Call, device: MappedDevice) -> str:
    return "Read-only" if _is_read_only(call, device) else "Writeable"


def _number(call: Call, device: MappedDevice) -> str:
    return device.devt


def _major(call: Call, device: MappedDevice) -> str:
    return device.devt.partition(":")[0]


def _minor(call: Call, device: MappedDevice) -> str:
    return str(device.minor())


def _open(call: Call, device: MappedDevice) -> str:
    return str(call.control.registry.open_count(device))


def _segments(call: Call, device: MappedDevice) -> str:
    shown = device.inactive if call.has("inactive") else device.table
    return str(len(shown.targets) if shown is not None else 0)


def _events(call: Call, device: MappedDevice) -> str:
    return str(device.event_nr)


def _used(call: Call, device: MappedDevice) -> list[str]:
    shown = device.inactive if call.has("inactive") else device.table
    numbers = [below.devt for below in shown.devices()] if shown is not None else []
    numbers.reverse()
    return numbers


def _device_count(call: Call, device: MappedDevice) -> str:
    return str(len(_used(call, device)))


def _names_used(call: Call, device: MappedDevice) -> str:
    found = [call.control.registry.by_number(number) for number in _used(call, device)]
    return ",".join(call.shown(below.name) for below in found if isinstance(below, MappedDevice))


def _numbers_used(call: Call, device: MappedDevice) -> str:
    return ",".join(_used(call, device))


def _block_names_used(call: Call, device: MappedDevice) -> str:
    return ",".join(call.surroundings.block_name(number) for number in _used(call, device))


def _users(call: Call, device: MappedDevice) -> list[MappedDevice]:
    known = call.control.registry
    return [other for other in known.all_mapped() if other.table is not None and device in other.table.devices()]


def _reference_count(call: Call, device: MappedDevice) -> str:
    return str(len(_users(call, device)))


def _names_using(call: Call, device: MappedDevice) -> str:
    return ",".join(call.shown(other.name) for other in _users(call, device))


def _numbers_using(call: Call, device: MappedDevice) -> str:
    return ",".join(other.devt for other in _users(call, device))


def _subsystem(split: SplitName) -> str:
    return split.subsystem


def _vg_name(split: SplitName) -> str:
    return split.vg_name


def _lv_name(split: SplitName) -> str:
    return split.lv_name


def _lv_layer(split: SplitName) -> str:
    return split.lv_layer


FIELDS: Final[dict[str, Field]] = {
    "name": Field(NAME, "Name", 16, False, "what it is called", _name),
    "mangled_name": Field(NAME, "MangledName", 16, False, "its name as the kernel has it", _mangled_name),
    "unmangled_name": Field(NAME, "UnmangledName", 16, False, "its name as it is meant", _unmangled_name),
    "uuid": Field(NAME, "UUID", 32, False, "its uuid, if it has one", _uuid),
    "mangled_uuid": Field(NAME, "MangledUUID", 32, False, "its uuid as the kernel has it", _mangled_uuid),
    "unmangled_uuid": Field(NAME, "UnmangledUUID", 32, False, "its uuid as it is meant", _unmangled_uuid),
    "read_ahead": Field(NAME, "RAhead", 6, True, "sectors that are read ahead", _read_ahead),
    "blkdevname": Field(INFO, "BlkDevName", 16, False, "what the kernel calls it", _block_name),
    "attr": Field(
        INFO, "Stat", 4, False, "L: live table, I: inactive one, s: suspended, r or w: may be written", _attributes
    ),
    "tables_loaded": Field(INFO, "Tables", 6, False, "which tables it has: live, inactive, both", _tables_loaded),
    "suspended": Field(INFO, "Suspended", 9, False, "whether its I/O is held back", _suspended),
    "readonly": Field(INFO, "Read-only", 9, False, "whether it may be written", _read_only),
    "devno": Field(INFO, "DevNo", 5, False, "major and minor number", _number),
    "major": Field(INFO, "Maj", 3, True, "major number", _major),
    "minor": Field(INFO, "Min", 3, True, "minor number", _minor),
    "open": Field(INFO, "Open", 4, True, "how often it is open", _open),
    "segments": Field(INFO, "Targ", 4, True, "targets of its table", _segments),
    "events": Field(INFO, "Event", 6, True, "number of its last event", _events),
    "device_count": Field(DEPS, "#Devs", 5, True, "how many devices its table names", _device_count),
    "devs_used": Field(TREE, "DevNamesUsed", 16, False, "mapped devices that it stands on, by name", _names_used),
    "devnos_used": Field(DEPS, "DevNosUsed", 16, False, "devices that it stands on, by number", _numbers_used),
    "blkdevs_used": Field(DEPS, "BlkDevNamesUsed", 16, False, "the same by the kernel's names", _block_names_used),
    "device_ref_count": Field(TREE, "#Refs", 5, True, "how many mapped devices stand on it", _reference_count),
    "names_using_dev": Field(TREE, "RefNames", 8, False, "those, by name", _names_using),
    "devnos_using_dev": Field(TREE, "RefDevNos", 9, False, "those, by number", _numbers_using),
    "subsystem": Field(SPLIT, "Subsys", 6, False, "who made it, by its uuid", None, _subsystem),
    "vg_name": Field(SPLIT, "VG", 4, False, "volume group, of LVM", None, _vg_name),
    "lv_name": Field(SPLIT, "LV", 4, False, "logical volume, of LVM", None, _lv_name),
    "lv_layer": Field(SPLIT, "LVLayer", 7, False, "layer, of LVM", None, _lv_layer),
}

# Numbers and texts of statistics; what they would be is none of a report without regions.
_STATS_NUMBERS: Final = (
    "read_count reads_merged_count read_sector_count read_time write_count writes_merged_count write_sector_count write_time "
    "in_progress_count io_ticks queue_ticks read_ticks write_ticks reads_merged_per_sec writes_merged_per_sec reads_per_sec "
    "writes_per_sec read_size_per_sec write_size_per_sec avg_request_size queue_size await read_await write_await throughput "
    "service_time util interval_ns interval"
)
_STATS_TEXTS: Final = (
    "hist_count hist_count_bounds hist_count_ranges hist_percent hist_percent_bounds hist_percent_ranges"
)
_REGION_NUMBERS: Final = (
    "region_id region_start region_len area_id area_start area_len area_offset area_count group_id hist_bins"
)
_REGION_TEXTS: Final = "program_id user_data precise hist_bounds hist_ranges stats_name obj_type"


def _all_fields() -> dict[str, Field]:
    fields = dict(FIELDS)
    for group, names, is_number in (
        (STATS, _STATS_NUMBERS, True),
        (STATS, _STATS_TEXTS, False),
        (REGION, _REGION_NUMBERS, True),
        (REGION, _REGION_TEXTS, False),
    ):
        for name in names.split():
            fields[name] = Field(group, name, len(name), is_number, "of a region of statistics; there are none")
    return fields


ALL_FIELDS: Final = _all_fields()


def canonical(name: str) -> str:
    """Names are compared without underscores and without regard to case."""
    return name.replace("_", "").lower()


_BY_CANONICAL: Final = {canonical(name): name for name in [SELECTED, *HELP, *ALL_FIELDS]}


def field_named(word: str) -> str:
    """The field that `word` means, or an empty string."""
    return _BY_CANONICAL.get(canonical(word), "") if word else ""


def groups_named(word: str) -> list[str]:
    """The groups of which `word` asks for all fields: `GROUP_all`."""
    return [group for group in GROUPS if canonical(word) == f"{group}all"]


def subject_of(call: Call, device: MappedDevice) -> Subject:
    """A device with the parts of its name."""
    return Subject(device, split_device_name(call.shown(device.name), call.shown(device.uuid)))
