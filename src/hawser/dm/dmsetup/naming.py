"""The verbs about names: splitname and mangle.

lvm2: _splitname() and _mangle() of libdm/dm-tools/dmsetup.c. For `mangle` names are passed on and shown as the kernel has them.
"""

from hawser.dm.dmsetup.call import Call
from hawser.dm.dmsetup.change import give_name
from hawser.dm.dmsetup.fields import Subject
from hawser.dm.dmsetup.names import AUTO, NONE, TWICE, NameTextError, SplitName, mangle, unmangle
from hawser.dm.dmsetup.show import means_all, with_all
from hawser.dm.dmsetup.task import Task, task_for
from hawser.dm.mapped_device import MappedDevice


def split_name(call: Call, words: list[str]) -> bool:
    """`NAME [SUBSYSTEM]`: the parts of a name, of LVM unless another subsystem is named."""
    report = call.report
    assert report is not None
    subsystem = words[1] if len(words) > 1 else "LVM"
    return report.add(Subject(None, SplitName(subsystem, words[0])), True) is not None


def mangle_names(call: Call, words: list[str]) -> bool:
    """Give devices the names that they should have in the kernel."""
    # What `--manglename` asks for is the form; names stand as they are.
    form = call.value("manglename").lower() or AUTO
    call.mangling = NONE
    if means_all(call, words):
        return with_all(call, lambda device: _mangle(call, device, device.name, form))
    task = task_for(call, words[0] if words else None)
    if task is None:
        return False
    found = task.find()
    return found is not None and _mangle(call, found, words[0] if words else found.name, form)


def _mangle(call: Call, device: MappedDevice, said: str, form: str) -> bool:
    """`said` is how the device was named: a path is compared with the name that it should have as a name is, and never right."""
    name, uuid = device.name, device.uuid
    if form == AUTO:
        if TWICE in said:
            what = f'The name "{said}" seems to be mangled more than once. '
            return call.complain(what + "Manual intervention required to rename the device.")
        if TWICE in uuid:
            what = f'The UUID "{uuid}" seems to be mangled more than once. '
            return call.complain(what + "Manual intervention required to correct the device UUID.")
    new_name = _in_form(call, name, "name", form)
    new_uuid = _in_form(call, uuid, "UUID", form)
    if new_name is None or new_uuid is None:
        return False
    if new_uuid != uuid:
        call.complain(f"{said}: {uuid}: UUID in incorrect form. ")
        return call.complain("Unable to change device UUID. The device must be deactivated first.")
    if new_name == said:
        both = "and UUID " if uuid else ""
        call.put(f"{said}: {uuid or '[no UUID]'}: name {both}already in correct form")
        return True
    call.put(f"{said}: renaming to {new_name}")
    return give_name(call, Task(call, name), new_name)


def _in_form(call: Call, text: str, what: str, form: str) -> str | None:
    """`text` in the form that is wanted; None, after complaints, when it has none."""
    if form == NONE:
        return unmangle(text)
    try:
        return mangle(text, what, NONE)
    except NameTextError as error:
        call.complain(str(error))
        call.complain(f'Failed to mangle device {"name" if what == "name" else "uuid"} "{text}".')
        return None
