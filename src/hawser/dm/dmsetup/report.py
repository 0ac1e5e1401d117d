"""Reports: `info -c`, devices as rows and their properties as columns.

lvm2: libdm/libdm-report.c, and the fields of dmsetup.c. A column is as wide as its widest word, and no narrower than the field
says; numbers stand to the right. `--noheadings` gives rows without padding, with colons between.
"""

from collections.abc import Callable
from typing import Final

from hawser.dm.dmsetup.call import Call
from hawser.dm.dmsetup.task import mangled, unmangled
from hawser.dm.mapped_device import MappedDevice

DEFAULT_FIELDS: Final = "name,major,minor,attr,open,segments,events,uuid"

FieldReader = Callable[[Call, MappedDevice], str]


class Field:
    """`width` is the least; `group` the section of which `GROUP_all` asks."""

    def __init__(self, group: str, heading: str, width: int, is_number: bool, read: FieldReader) -> None:
        self.group = group
        self.heading = heading
        self.width = width
        self.is_number = is_number
        self.read = read


def _name(call: Call, device: MappedDevice) -> str:
    return unmangled(device.name)


def _mangled_name(call: Call, device: MappedDevice) -> str:
    return mangled(device.name)


def _uuid(call: Call, device: MappedDevice) -> str:
    return unmangled(device.uuid)


def _mangled_uuid(call: Call, device: MappedDevice) -> str:
    return mangled(device.uuid)


def _read_ahead(call: Call, device: MappedDevice) -> str:
    trouble = call.surroundings.why_no_read_ahead(device)
    if trouble:
        call.complain(trouble)
        return "0"
    return str(call.surroundings.read_ahead(device))


def _block_name(call: Call, device: MappedDevice) -> str:
    return call.surroundings.block_name(device.devt)


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
    return ",".join(unmangled(below.name) for below in found if isinstance(below, MappedDevice))


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
    return ",".join(unmangled(other.name) for other in _users(call, device))


def _numbers_using(call: Call, device: MappedDevice) -> str:
    return ",".join(other.devt for other in _users(call, device))


def _subsystem(call: Call, device: MappedDevice) -> str:
    before, dash, _ = device.uuid.partition("-")
    return before if dash else ""


def _of_lvm(call: Call, device: MappedDevice) -> str:
    """Names of volume groups are not taken apart here."""
    return ""


FIELDS: Final[dict[str, Field]] = {
    "name": Field("name", "Name", 16, False, _name),
    "mangled_name": Field("name", "MangledName", 16, False, _mangled_name),
    "unmangled_name": Field("name", "UnmangledName", 16, False, _name),
    "uuid": Field("name", "UUID", 32, False, _uuid),
    "mangled_uuid": Field("name", "MangledUUID", 32, False, _mangled_uuid),
    "unmangled_uuid": Field("name", "UnmangledUUID", 32, False, _uuid),
    "read_ahead": Field("name", "RAhead", 6, True, _read_ahead),
    "blkdevname": Field("info", "BlkDevName", 16, False, _block_name),
    "attr": Field("info", "Stat", 4, False, _attributes),
    "tables_loaded": Field("info", "Tables", 6, False, _tables_loaded),
    "suspended": Field("info", "Suspended", 9, False, _suspended),
    "readonly": Field("info", "Read-only", 9, False, _read_only),
    "devno": Field("info", "DevNo", 5, False, _number),
    "major": Field("info", "Maj", 3, True, _major),
    "minor": Field("info", "Min", 3, True, _minor),
    "open": Field("info", "Open", 4, True, _open),
    "segments": Field("info", "Targ", 4, True, _segments),
    "events": Field("info", "Event", 6, True, _events),
    "device_count": Field("deps", "#Devs", 5, True, _device_count),
    "devs_used": Field("deps", "DevNamesUsed", 16, False, _names_used),
    "devnos_used": Field("deps", "DevNosUsed", 16, False, _numbers_used),
    "blkdevs_used": Field("deps", "BlkDevNamesUsed", 16, False, _block_names_used),
    "device_ref_count": Field("deps", "#Refs", 5, True, _reference_count),
    "names_using_dev": Field("deps", "RefNames", 8, False, _names_using),
    "devnos_using_dev": Field("deps", "RefDevNos", 9, False, _numbers_using),
    "subsystem": Field("splitname", "Subsys", 6, False, _subsystem),
    "vg_name": Field("splitname", "VG", 4, False, _of_lvm),
    "lv_name": Field("splitname", "LV", 4, False, _of_lvm),
    "lv_layer": Field("splitname", "LVLayer", 7, False, _of_lvm),
}


def fields_of(call: Call) -> list[str]:
    """What `-o` asks for; a leading + adds to the default."""
    asked = call.value("options") if call.has("options") else DEFAULT_FIELDS
    if asked.startswith("+"):
        asked = f"{DEFAULT_FIELDS},{asked[1:]}"
    names: list[str] = []
    for name in asked.split(","):
        if name.endswith("_all"):
            names += [field for field, what in FIELDS.items() if what.group == name[:-4]]
        elif name:
            names.append(name)
    return names


def unknown_field(call: Call) -> str:
    """A field that there is not, or an empty string. `help` is one, too."""
    keys = [key.lstrip("+-") for key in call.value("sort").split(",") if key]
    for name in [*fields_of(call), *keys]:
        if name not in FIELDS:
            return name
    return ""


def report_row(call: Call, device: MappedDevice) -> None:
    """A device is part of the report, which is printed when all are."""
    call.rows.append([FIELDS[name].read(call, device) for name in fields_of(call)])
    keys = [key for key in call.value("sort").split(",") if key]
    call.sort_keys.append([FIELDS[key.lstrip("+-")].read(call, device) for key in keys])


def put_report(call: Call) -> None:
    """Print what `report_row` has gathered."""
    if not call.rows:
        return
    names = fields_of(call)
    rows = _sorted_rows(call)
    headings = [FIELDS[name].heading for name in names]
    aligned = not (call.has("noheadings") or call.has("separator") or call.has("nameprefixes"))
    separator = call.value("separator") or (":" if call.has("noheadings") else " ")
    if call.has("nameprefixes"):
        rows = [[_prefixed(call, name, value) for name, value in zip(names, row, strict=True)] for row in rows]
    lines = rows if call.has("noheadings") else [headings, *rows]
    if call.has("rows"):
        lines = [list(column) for column in zip(*lines, strict=True)]
        aligned = False
    if not aligned:
        for line in lines:
            call.put(separator.join(line))
        return
    widths = [max(FIELDS[name].width, *(len(line[place]) for line in lines)) for place, name in enumerate(names)]
    for number, line in enumerate(lines):
        words = []
        for place, name in enumerate(names):
            right = FIELDS[name].is_number and number > 0
            words.append(line[place].rjust(widths[place]) if right else line[place].ljust(widths[place]))
        call.put(separator.join(words))


def _prefixed(call: Call, name: str, value: str) -> str:
    quote = "" if call.has("unquoted") else "'"
    return f"DM_{name.upper()}={quote}{value}{quote}"


def _sorted_rows(call: Call) -> list[list[str]]:
    """By the keys of `--sort`, the first one most; a key with a minus goes down."""
    keys = [key for key in call.value("sort").split(",") if key]
    order = list(range(len(call.rows)))
    for place in range(len(keys) - 1, -1, -1):
        field = FIELDS[keys[place].lstrip("+-")]
        by_word = [(int(row[place]) if field.is_number else 0, row[place]) for row in call.sort_keys]
        order = _in_order(order, by_word, keys[place].startswith("-"))
    return [call.rows[row] for row in order]


def _in_order(rows: list[int], values: list[tuple[int, str]], down: bool) -> list[int]:
    """`rows` sorted by their values; equal ones stay in order."""
    return sorted(rows, key=lambda row: values[row], reverse=down)
