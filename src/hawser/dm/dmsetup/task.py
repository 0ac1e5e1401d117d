"""Task: which device a verb means, by name, uuid or number; names with characters that a device node may not have.

lvm2: struct dm_task, dm_task_set_name(), dm_task_set_uuid() (libdm/libdm-common.c) and the complaint of _do_dm_ioctl()
(libdm/ioctl/libdm-iface.c). Names are passed on as hawser.dm.dmsetup.names has it.
"""

from hawser.dm.control import NAME_MAX
from hawser.dm.dmsetup.call import STRERROR, Call
from hawser.dm.dmsetup.names import AUTO, UUID_BYTES, NameTextError, mangle
from hawser.dm.mapped_device import MappedDevice


class Task:
    """Empty strings, and a negative minor, for what was not said."""

    def __init__(self, call: Call, name: str = "", uuid: str = "", major: int = -1, minor: int = -1) -> None:
        self.call = call
        self.name = name
        self.uuid = uuid
        self.major = major
        self.minor = minor

    def find(self) -> MappedDevice | None:
        known = self.call.control.registry
        if self.uuid:
            return known.by_uuid(self.uuid)
        if self.name:
            return known.mapped_name(self.name)
        device = known.by_number(f"{self.major}:{self.minor}")
        return device if isinstance(device, MappedDevice) else None

    def failed(self, ioctl: str, errno_name: str) -> bool:
        """Say that an ioctl has failed. Always False."""
        number = f"({self.major}:{self.minor})" if self.major > 0 else ""
        what = f"device-mapper: {ioctl} ioctl on {self.name} {self.uuid}{number} failed"
        return self.call.complain(f"{what}: {STRERROR.get(errno_name, errno_name)}")


def task_for(call: Call, word: str | None, is_new: bool = False) -> Task | None:
    """The task for the device that `word` names, or else the options. None, after a complaint, when nothing does."""
    if word is not None:
        name = _resolve(call, word, is_new)
        return Task(call, name) if name is not None else None
    if call.has("uuid"):
        uuid = kept_uuid(call, call.value("uuid"))
        return Task(call, uuid=uuid) if uuid is not None else None
    if call.has("major"):
        return Task(call, major=call.arguments.number("major"), minor=call.arguments.number("minor"))
    call.complain("No device specified.")
    return None


def _resolve(call: Call, word: str, is_new: bool) -> str | None:
    """The device's name as the kernel has it, of a name or of a path to its node."""
    if "/" in word:
        if is_new:
            call.complain(f'Name "{word}" invalid. It contains "/".')
            return None
        return _name_of_path(call, word)
    if len(word) > NAME_MAX:
        call.complain(f'Name "{word}" too long.')
        return None
    return call.kept(word, "name", f'Failed to mangle device name "{word}".')


def kept_uuid(call: Call, uuid: str) -> str | None:
    """A uuid as the kernel gets it; None, after complaints, when it is none."""
    return call.kept(uuid, "UUID", f'Failed to mangle device uuid "{uuid}".', UUID_BYTES)


def _name_of_path(call: Call, path: str) -> str | None:
    number = call.surroundings.number_of(path)
    if not number and not path.startswith("/") and path.count("/") == 1 and len(path) >= 3:
        number = call.surroundings.number_of(f"/dev/{path}")
    if not number:
        call.complain(f"Device {path} not found")
        return None
    device = call.control.registry.by_number(number)
    if isinstance(device, MappedDevice):
        return device.name
    call.complain(f"Device {path.rpartition('/')[2]} not found")
    return None


def mangled(name: str) -> str:
    """`name` as the kernel gets it, if it is a name at all; else as it stands."""
    try:
        return mangle(name, "name", AUTO)
    except NameTextError:
        return name
