"""The verbs that show: table, status, measure, info, deps, ls, targets, target-version, version.

lvm2: _status(), _info(), _deps(), _ls(), _targets() and _version() of libdm/dm-tools/dmsetup.c. Without a device they show all.
"""

import re
from collections.abc import Callable
from typing import Final

from hawser.dm.dmsetup.call import Call
from hawser.dm.dmsetup.fields import subject_of
from hawser.dm.dmsetup.task import Task, task_for
from hawser.dm.dmsetup.tree import show_tree
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.table import Table
from hawser.dm.target import Target

LIBRARY_VERSION: Final = "1.02.185 (2022-05-18)"
DRIVER_VERSION: Final = "4.48.0"
# How devices are named in `deps` and `ls`.
NUMBERS: Final = "devno"
BLOCK_NAMES: Final = "blkdevname"
MAP_NAMES: Final = "devname"
# Of sizes: human, bytes, sectors, kilo...
_UNITS: Final = re.compile(r"(\d[\d.]*)?[hHrRbBsSkKmMgGtTpPeE]", re.ASCII)
MAPPER: Final = "/dev/mapper"
# How many words `--exec` may have.
WORDS_MAX: Final = 256


def all_devices(call: Call) -> list[MappedDevice] | None:
    """Every mapped device; says so when there is none. None, after complaints, when the kernel's names cannot be shown."""
    devices = call.control.registry.all_mapped()
    if not devices:
        call.put("No devices found")
    complaints = [complaint for complaint in (call.why_not_shown(device.name) for device in devices) if complaint]
    for complaint in complaints:
        call.complain(complaint)
    return None if complaints else devices


def with_all(call: Call, do: Callable[[MappedDevice], bool]) -> bool:
    """Do it with every mapped device, whether it succeeds or not. Whether all did."""
    devices = all_devices(call)
    done = devices is not None
    for device in devices or []:
        done = do(device) and done
    return done


def means_all(call: Call, words: list[str]) -> bool:
    """Whether no device was named in any way."""
    return not words and not call.has("uuid") and not call.has("major")


# Table, status and measure.


def table(call: Call, words: list[str]) -> bool:
    return _lines(call, words, "table")


def status(call: Call, words: list[str]) -> bool:
    return _lines(call, words, "status")


def measure(call: Call, words: list[str]) -> bool:
    """What the kernel's integrity measurement would record of each target. Linux: DM_IMA_MEASUREMENT_FLAG, STATUSTYPE_IMA."""
    return _lines(call, words, "measure")


def _lines(call: Call, words: list[str], verb: str) -> bool:
    if means_all(call, words):
        call.many = True
        return with_all(call, lambda device: _show_lines(call, device, verb, call.shown(device.name)))
    task = task_for(call, words[0] if words else None)
    if task is None:
        return False
    found = task.find()
    if found is None:
        return task.failed(verb, "ENXIO") if verb == "table" else call.complain("Device does not exist.")
    return call.can_show(found.name) and _show_lines(call, found, verb, _said(call, found, words))


def _said(call: Call, device: MappedDevice, words: list[str]) -> str:
    """What a device is called before its lines: as it was named, be it by a path; else by its name."""
    return words[0] if words else call.shown(device.name)


def shown_table(call: Call, device: MappedDevice) -> Table | None:
    """The live table, or the inactive one if that is asked for."""
    return device.inactive if call.has("inactive") else device.table


def _show_lines(call: Call, device: MappedDevice, verb: str, said: str) -> bool:
    """The lines of a device's targets, or (`ls`) one for the device; of those that `--target` asks for."""
    shown = shown_table(call, device)
    targets = shown.targets if shown is not None else []
    wanted = [target for target in targets if not call.has("target") or target.type_name == call.value("target")]
    if not wanted and (targets or call.has("target")):
        return True
    if not call.has("exec") or call.has("verbose"):
        if verb == "ls":
            call.put(f"{call.shown(device.name)}\t({device.devt.replace(':', ', ')})")
        elif verb == "table" and call.has("concise"):
            _put_concise(call, device, wanted, said)
        else:
            _put_lines(call, device, wanted, verb, said)
    return not call.has("exec") or _execute(call, said)


def _put_lines(call: Call, device: MappedDevice, targets: list[Target], verb: str, said: str) -> None:
    if call.has("verbose"):
        put_info(call, device)
    prefix = f"{said}: " if call.many and not call.has("verbose") else ""
    for target in targets:
        call.put(prefix + target_line(target, verb))
    if not targets:
        call.put(prefix)
    if call.many and call.has("verbose"):
        call.put("")


def _execute(call: Call, said: str) -> bool:
    """Have the program of `--exec` run, with the device's node as its last argument, though a path makes none."""
    words = call.value("exec").split()
    if len(words) >= WORDS_MAX:
        return call.complain("Too many args to --exec.")
    if words:
        call.programs.append([*words, f"{MAPPER}/{said}"])
    return len(words) > 0


def target_line(target: Target, verb: str) -> str:
    if verb == "table":
        words = target.status_table()
    else:
        words = target.status_ima() if verb == "measure" else target.status_info()
    return f"{target.start} {target.length} {target.type_name} {words}"


def _put_concise(call: Call, device: MappedDevice, targets: list[Target], said: str) -> None:
    fields = [_quoted(said), _quoted(call.shown(device.uuid)), str(device.minor())]
    fields.append("ro" if device.shows_read_only() else "rw")
    for target in targets:
        head = f"{target.start} {target.length} {target.type_name} "
        fields.append(head + _quoted(target.status_table()))
    call.concise.append(",".join(fields))


def _quoted(text: str) -> str:
    return "".join(f"\\{letter}" if letter in ",;\\" else letter for letter in text)


# Info.


def info(call: Call, words: list[str]) -> bool:
    if means_all(call, words):
        return with_all(call, lambda device: display_info(call, device))
    task = task_for(call, words[0] if words else None)
    if task is None:
        return False
    found = task.find()
    if found is None:
        return call.complain("Device does not exist.")
    return call.can_show(found.name) and display_info(call, found)


def display_info(call: Call, device: MappedDevice) -> bool:
    """As a row of the report, or as a block of lines."""
    if call.report is not None:
        return call.report.add(subject_of(call, device), True) is not None
    put_info(call, device)
    return True


def put_info(call: Call, device: MappedDevice, name: str = "") -> None:
    """A block of lines, with an empty one behind. `name`: what it is called there, if not by its own."""
    state = "SUSPENDED" if device.is_suspended() else "ACTIVE"
    state += " (READ-ONLY)" if is_read_only(call, device) else ""
    state += " (DEFERRED REMOVE)" if device.deferred_remove else ""
    shown = shown_table(call, device)
    rows = [("Name:", call.shown(name or device.name)), ("State:", state)]
    trouble = call.surroundings.why_no_read_ahead(device)
    if trouble:
        call.complain(trouble)
    else:
        rows.append(("Read Ahead:", str(call.surroundings.read_ahead(device))))
    rows += [
        ("Tables present:", tables_present(device)),
        ("Open count:", str(call.control.registry.open_count(device))),
        ("Event number:", str(device.event_nr)),
        ("Major, minor:", device.devt.replace(":", ", ")),
        ("Number of targets:", str(len(shown.targets) if shown is not None else 0)),
    ]
    for label, value in rows:
        call.put(f"{label:<19}{value}")
    if device.uuid:
        call.put(f"UUID: {call.shown(device.uuid)}")
    call.put("")


def is_read_only(call: Call, device: MappedDevice) -> bool:
    """Of the table that is shown."""
    if call.has("inactive"):
        return device.inactive is not None and device.inactive_read_only
    return device.shows_read_only()


def tables_present(device: MappedDevice) -> str:
    present = [name for name, table in (("LIVE", device.table), ("INACTIVE", device.inactive)) if table is not None]
    return " & ".join(present) or "None"


# Deps and ls.


def named_by(call: Call) -> str:
    """How `-o` wants devices to be named; the last one counts."""
    return (_namings(call.value("options")) or [NUMBERS])[-1]


def _namings(text: str) -> list[str]:
    """The ways to name devices in `-o`, which may be cut short; an empty string for what is none of them."""
    words = text.split(",") if text else []
    if words and not words[-1]:
        # (Nothing is read behind a last comma.)
        words.pop()
    found: list[str] = []
    for word in words:
        meant = [way for way in (NUMBERS, BLOCK_NAMES, MAP_NAMES) if way.startswith(word)]
        found.append(meant[0] if meant else "")
    return found


def check_naming(call: Call) -> bool:
    """Whether `-o` of `deps` and `ls` holds nothing but the three ways to name devices."""
    text = call.value("options")
    for place, way in enumerate(_namings(text)):
        if not way:
            return call.complain(f"Option not recognised: {','.join(text.split(',')[place:])}.")
    return True


def check_units(call: Call) -> bool:
    """Whether `--units` names a unit; nothing here is shown in one."""
    return _UNITS.match(call.value("units")) is not None or call.complain("Invalid --units argument.")


def device_word(call: Call, number: str, separator: str) -> str:
    """A device as `-o` wants it, between parentheses; by its number where it has no disk to be named after."""
    way = named_by(call)
    mapped = call.control.registry.by_number(number)
    name = call.surroundings.block_name(number) if way in (BLOCK_NAMES, MAP_NAMES) else ""
    if name and way == MAP_NAMES and isinstance(mapped, MappedDevice):
        name = call.shown(mapped.name)
    return f"({name or number.replace(':', separator)})"


def dependencies(table: Table | None) -> list[str]:
    """The numbers of the devices of a table; the one that was opened last comes first. Linux: dm_get_device(), list_add()."""
    numbers: list[str] = []
    for device in table.devices() if table is not None else []:
        numbers.append(device.devt)
    numbers.reverse()
    return numbers


def deps(call: Call, words: list[str]) -> bool:
    if means_all(call, words):
        call.many = True
        devices = all_devices(call)
        for device in devices or []:
            _show_deps(call, device, call.shown(device.name))
        return devices is not None
    task = task_for(call, words[0] if words else None)
    if task is None:
        return False
    found = task.find()
    if found is None:
        return task.failed("deps", "ENXIO")
    if not call.can_show(found.name):
        return False
    _show_deps(call, found, _said(call, found, words))
    return True


def _show_deps(call: Call, device: MappedDevice, said: str) -> None:
    if call.has("verbose"):
        put_info(call, device)
    numbers = dependencies(shown_table(call, device))
    prefix = f"{said}: " if call.many and not call.has("verbose") else ""
    listed = "".join(f" {device_word(call, number, ', ')}" for number in numbers)
    call.put(f"{prefix}{len(numbers)} dependencies\t:{listed}")
    if call.many and call.has("verbose"):
        call.put("")


def ls(call: Call, words: list[str]) -> bool:
    if call.has("target") or call.has("exec"):
        return _lines(call, words, "ls")
    devices = all_devices(call)
    if call.has("tree"):
        if devices:
            show_tree(call)
        return devices is not None
    for device in devices or []:
        call.put(f"{call.shown(device.name)}\t{device_word(call, device.devt, ':')}")
    return devices is not None


# What there is.


def targets(call: Call, words: list[str]) -> bool:
    for name, version in call.control.versions.items():
        call.put(f"{name:<16} v{version}")
    return True


def target_version(call: Call, words: list[str]) -> bool:
    name = words[0]
    if name not in call.control.versions:
        return Task(call, name).failed("target-version", "EINVAL")
    call.put(f"{name:<16} v{call.control.versions[name]}")
    return True


def version(call: Call, words: list[str]) -> bool:
    call.put(f"Library version:   {LIBRARY_VERSION}")
    call.put(f"Driver version:    {DRIVER_VERSION}")
    return True
