"""The verbs that change devices at once: create, load, clear, rename, message, mknodes, remove_all.

lvm2: _create_one_device(), _create_concise(), _load(), _do_rename(), _message() of dmsetup.c, and _create_and_load_v4() of
libdm/ioctl/libdm-iface.c: a device that is created with a table is three ioctls, and taken back when one of the later two fails.
"""

import re
from typing import Final

from hawser.dm.condition import WaitingBool
from hawser.dm.control_waits import resume as resume_device
from hawser.dm.control_waits import wait_event
from hawser.dm.dmsetup.arguments import leading_number
from hawser.dm.dmsetup.call import Call
from hawser.dm.dmsetup.names import NAME_BYTES, UUID_BYTES
from hawser.dm.dmsetup.show import put_info
from hawser.dm.dmsetup.table_text import DIGITS_MAX, TableTextError, parse_table, split_words
from hawser.dm.dmsetup.task import Task, kept_uuid, task_for
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.suspension import ControlError
from hawser.dm.table import TableLine

# Linux: ULLONG_MAX, the largest sector that a message can be sent to.
SECTOR_MAX: Final = (1 << 64) - 1
_NUMBER: Final = re.compile(r"[+-]?[0-9]+")


class NewDevice:
    """What `create` was asked for."""

    def __init__(self, name: str, uuid: str, minor: int, read_only: bool, table: str | None, path: str) -> None:
        self.name = name
        self.uuid = uuid
        self.minor = minor
        self.read_only = read_only
        # None: from the file at `path`, or from standard input.
        self.table = table
        self.path = path


def create(call: Call, words: list[str]) -> WaitingBool:
    if call.has("concise"):
        return (yield from _create_concise(call, words))
    if not words:
        return call.complain("Please provide a name for the new device.")
    minor = call.arguments.number("minor") if call.has("minor") else -1
    table = call.value("table") if call.has("table") else None
    path = words[1] if len(words) > 1 else ""
    new = NewDevice(words[0], call.value("uuid"), minor, call.has("readonly"), table, path)
    return (yield from _create_one(call, new))


def _create_one(call: Call, new: NewDevice) -> WaitingBool:
    task = task_for(call, new.name, is_new=True)
    if task is None:
        return False
    uuid = kept_uuid(call, new.uuid)
    if uuid is None:
        return False
    task.uuid = uuid
    lines: list[TableLine] = []
    if not call.has("notable"):
        read = _read_table(call, new.table, new.path)
        if read is None:
            return False
        lines = read
    if new.minor >= 0:
        task.minor = new.minor
        task.major = call.arguments.number("major") if call.has("major") else call.control.registry.major
    try:
        device = call.control.create(task.name, task.uuid, new.minor)
    except ControlError as error:
        return task.failed("create", error.errno_name)
    if call.has("addnodeoncreate"):
        call.surroundings.add_node(device)
    if lines:
        done = yield from _fill(call, task, device, lines, new.read_only)
        if not done:
            if _is_elsewhere(task):
                task.failed("remove", "ENXIO")
                call.complain("Failed to revert device creation.")
            else:
                _take_back(call, device)
            return False
    if call.has("verbose"):
        put_info(call, device)
    return True


def _fill(call: Call, task: Task, device: MappedDevice, lines: list[TableLine], read_only: bool) -> WaitingBool:
    """Give a new device its table and let I/O flow."""
    try:
        call.control.load(device, lines, read_only)
    except ControlError as error:
        return Task(call, device.name, "", call.control.registry.major, device.minor()).failed(
            "reload", error.errno_name
        )
    if _is_elsewhere(task):
        # The kernel makes the device of that minor number with its own major one, and does not find it by the other.
        call.control.log.error(f"ioctl: Invalid ioctl structure: name {device.name}, dev {_device_code(task):x}")
        return Task(call, device.name, "", task.major, task.minor).failed("resume", "ENXIO")
    try:
        yield from resume_device(call.control, device, call.has("noflush"))
    except ControlError as error:
        return Task(call, device.name, "", task.major, task.minor).failed("resume", error.errno_name)
    show_node(call, device)
    return True


def _is_elsewhere(task: Task) -> bool:
    """Whether `--major` names another major number than device mapper's."""
    return task.minor >= 0 and task.major != task.call.control.registry.major


def _device_code(task: Task) -> int:
    """Linux: huge_encode_dev()."""
    return (task.minor & 0xFF) | task.major << 8 | (task.minor & ~0xFF) << 12


def _take_back(call: Call, device: MappedDevice) -> None:
    name = device.name
    try:
        call.control.remove(device)
        call.surroundings.remove_node(name)
    except ControlError as error:
        Task(call, name).failed("remove", error.errno_name)
        call.complain("Failed to revert device creation.")


def show_node(call: Call, device: MappedDevice) -> None:
    """What follows a resume: the node in /dev is there, and the read-ahead that was asked for is set."""
    if not call.has("addnodeoncreate"):
        call.surroundings.add_node(device)
    asked = call.value("readahead")
    if not asked or asked.lower() == "auto":
        return
    sectors = 0 if asked.lower() == "none" else leading_number(asked)
    if not asked.strip().startswith("+") or sectors > call.surroundings.read_ahead(device):
        call.surroundings.set_read_ahead(device, sectors)


def _read_table(call: Call, text: str | None, path: str) -> list[TableLine] | None:
    """The table's lines; None, after a complaint, when it cannot be read."""
    source = ""
    if text is None:
        source = path or "on stdin"
        text = call.surroundings.read_file(path) if path else call.stdin
        if text is None:
            call.complain(f"Couldn't open '{path}' for reading.")
            return None
    try:
        return parse_table(text, source)
    except TableTextError as error:
        call.complain(str(error))
        return None


def _create_concise(call: Call, words: list[str]) -> WaitingBool:
    """Several devices in one word: `NAME,UUID,MINOR,ro|rw,TABLE LINE[,TABLE LINE...]`, with semicolons between devices."""
    if len(words) > 1:
        return call.complain("dmsetup create --concise takes at most one argument")
    for option in ("table", "minor", "uuid", "notable", "inactive"):
        if call.has(option):
            return call.complain("--concise is incompatible with --[no]table, --minor, --uuid and --inactive.")
    text = words[0] if words else call.stdin.strip("\n")
    devices = split_concise(text)
    for number, fields in enumerate(devices):
        complaint = _bad_end(text) if number == len(devices) - 1 else ""
        if complaint or len(fields) != 5:
            padded = [*fields, "(null)", "(null)", "(null)", "(null)"][:5]
            call.complain(complaint or "Five comma-separated fields are required for each device")
            names = ("name", "uuid", "minor", "flags", "table")
            named = " ".join(f"{name}: {value}" for name, value in zip(names, padded, strict=True))
            return call.complain(f"Parsed {len(fields)} fields: {named}")
        name, uuid, minor, flags, table = fields
        if flags not in ("", "ro", "rw"):
            return call.complain(f"Invalid flags parameter '{flags}' must be 'ro' or 'rw' or empty.")
        wanted = leading_number(minor) if minor else -1
        done = yield from _create_one(call, NewDevice(name, uuid, wanted, flags == "ro", table, ""))
        if not done:
            return False
    return True


def split_concise(text: str) -> list[list[str]]:
    """The devices of a concise word, each as its fields; a backslash takes the next character, if there is one, as it is."""
    devices: list[list[str]] = [[""]]
    place = 0
    while place < len(text):
        letter = text[place]
        place += 1
        fields = devices[-1]
        if letter == "\\":
            fields[-1] += text[place : place + 1]
            place += 1
        elif letter == "," and len(fields) < 5:
            fields.append("")
            place = _after_space(text, place)
        elif letter == ",":
            fields[-1] += "\n"
        elif letter == ";":
            devices.append([""])
            place = _after_space(text, place)
        else:
            fields[-1] += letter
    return devices if devices[-1] != [""] or text.endswith("\\") else devices[:-1]


def _bad_end(text: str) -> str:
    """What is wrong with the end of a concise word. A device ends with a semicolon or with the last character; not with a comma,
    or with a character that stands behind a backslash."""
    before = text[:-1]
    is_quoted = (len(before) - len(before.rstrip("\\"))) % 2 == 1
    if is_quoted or text.endswith(","):
        return "Incomplete entry: five comma-separated fields are required for each device"
    return "Backslash must be followed by another character at end of string." if text.endswith("\\") else ""


def _after_space(text: str, place: int) -> int:
    while place < len(text) and text[place].isspace():
        place += 1
    return place


def load(call: Call, words: list[str]) -> bool:
    if call.has("notable"):
        return call.complain("--notable only available when creating new device.")
    by_option = call.has("uuid") or call.has("major")
    if not by_option and not words:
        return call.complain("Please specify device.")
    if by_option and len(words) > 1:
        return call.complain("Too many command line arguments.")
    task = task_for(call, None if by_option else words[0])
    if task is None:
        return False
    rest = words if by_option else words[1:]
    lines = _read_table(call, call.value("table") if call.has("table") else None, rest[0] if rest else "")
    if lines is None:
        return False
    device = task.find()
    if device is None:
        return task.failed("reload", "ENXIO")
    try:
        call.control.load(device, lines, call.has("readonly"))
    except ControlError as error:
        return task.failed("reload", error.errno_name)
    if call.has("verbose"):
        put_info(call, device)
    return True


def clear(call: Call, words: list[str]) -> bool:
    task = task_for(call, words[0] if words else None)
    if task is None:
        return False
    device = task.find()
    if device is None:
        return task.failed("clear", "ENXIO")
    device.clear()
    if call.has("verbose"):
        put_info(call, device)
    return True


def rename(call: Call, words: list[str]) -> bool:
    """The last word is the new name or, with `--setuuid`, the uuid."""
    task = task_for(call, words[0] if len(words) == 2 else None)
    if task is None:
        return False
    if call.has("setuuid"):
        return _set_uuid(call, task, words[-1])
    return give_name(call, task, words[-1])


def _set_uuid(call: Call, task: Task, uuid: str) -> bool:
    if len(uuid) >= UUID_BYTES:
        return call.complain(f'Uuid "{uuid}" too long')
    kept = call.kept(uuid, "new UUID", f'Failed to mangle new device UUID "{uuid}"', UUID_BYTES)
    if kept is None:
        return False
    try:
        call.control.set_uuid(task.name, kept)
    except ControlError as error:
        return task.failed("rename", error.errno_name)
    return True


def give_name(call: Call, task: Task, new: str) -> bool:
    """Rename the device that the task means."""
    if "/" in new:
        return call.complain(f'Name "{new}" invalid. It contains "/".')
    if len(new) >= NAME_BYTES:
        return call.complain(f'Name "{new}" too long')
    if not new:
        return call.complain("Non empty new name is required.")
    kept = call.kept(new, "new name", f'Failed to mangle new device name "{new}"')
    if kept is None:
        return False
    try:
        call.control.rename(task.name, kept)
    except ControlError as error:
        return task.failed("rename", error.errno_name)
    call.surroundings.rename_node(task.name, kept)
    return True


def _named_first(call: Call, words: list[str]) -> tuple[Task | None, list[str]]:
    """The device that the first word names, unless an option does, and the words that are left."""
    if call.has("uuid") or call.has("major"):
        return task_for(call, None), words
    return task_for(call, words[0]), words[1:]


def set_geometry(call: Call, words: list[str]) -> bool:
    """`DEVICE CYLINDERS HEADS SECTORS START`."""
    task, rest = _named_first(call, words)
    if task is None:
        return False
    device = task.find()
    if device is None:
        return task.failed("setgeometry", "ENXIO")
    try:
        call.control.set_geometry(device, " ".join(rest[:4]))
    except ControlError as error:
        return task.failed("setgeometry", error.errno_name)
    return True


def message(call: Call, words: list[str]) -> bool:
    """`DEVICE SECTOR WORDS...`: the words are joined by spaces, and the kernel takes them apart again."""
    task, rest = _named_first(call, words)
    if task is None:
        return False
    sector = _sector(rest[0])
    if sector is None:
        return call.complain("Invalid sector.")
    if len(rest) == 1:
        call.complain("No message supplied.")
    device = task.find()
    if device is None:
        return task.failed("message", "ENXIO")
    try:
        reply = call.control.message(device, sector, split_words(" ".join(rest[1:])))
    except ControlError as error:
        return task.failed("message", error.errno_name)
    if reply:
        # A reply that ends its last line itself needs no other end.
        call.put(reply.removesuffix("\n"))
    return True


def _sector(text: str) -> int | None:
    """A decimal number as strtoull(3) reads it, for which a negative one wraps round; or None."""
    match = _NUMBER.fullmatch(text.lstrip())
    if match is None or len(text) > DIGITS_MAX or abs(int(text)) > SECTOR_MAX:
        return None
    return int(text) & SECTOR_MAX


def mknodes(call: Call, words: list[str]) -> bool:
    """Make the nodes in /dev what they should be, of one device or of all."""
    if words:
        task = task_for(call, words[0])
        if task is None:
            return False
        device = task.find()
        if device is None:
            call.surroundings.remove_node(task.name)
            return True
        call.surroundings.add_node(device)
        return True
    tidy_nodes(call)
    return True


def tidy_nodes(call: Call) -> None:
    """Each device has its node, and what is the node of none goes."""
    devices = call.control.registry.all_mapped()
    for name in set(call.surroundings.node_names()) - {device.name for device in devices}:
        call.surroundings.remove_node(name)
    for device in devices:
        call.surroundings.add_node(device)


def wait(call: Call, words: list[str]) -> WaitingBool:
    """`DEVICE [EVENT_NR]`: until the event number is another one; 0 where none is given."""
    by_option = call.has("uuid") or call.has("major")
    if not by_option and not words:
        return call.complain("No device specified.")
    task = task_for(call, None if by_option else words[0])
    if task is None:
        return False
    rest = words if by_option else words[1:]
    device = task.find()
    if device is None:
        return task.failed("waitevent", "ENXIO")
    name = device.name
    yield from wait_event(device, leading_number(rest[-1]) if rest else 0)
    if call.has("verbose"):
        # By the name that it had when the wait began.
        put_info(call, device, name)
    return True
