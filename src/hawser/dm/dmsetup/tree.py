"""`dmsetup ls --tree`: mapped devices that none stands on, and below each what it stands on.

lvm2: _display_tree() of dmsetup.c over the dependency tree of libdm/libdm-deptree.c. A device below several stands below each.
`inverted` turns it round: real devices, and above each what stands on it.
"""

from typing import Final

from hawser.dm.dmsetup.call import Call
from hawser.dm.dmsetup.task import unmangled
from hawser.dm.mapped_device import MappedDevice

# How a line is drawn: what keeps a branch above open, a place without one, a device with brothers below it, the last one.
ASCII: Final = (" | ", "   ", " |-", " `-")
UTF: Final = (" │ ", "   ", " ├─", " └─")
# In one line: the first of several, the last of one, and on further lines a middle one and the last.
COMPACT_ASCII: Final = ("-+-", "---", " |-", " `-")
COMPACT_UTF: Final = ("─┬─", "───", " ├─", " └─")

OPTIONS: Final = (
    "device",
    "blkdevname",
    "nodevice",
    "status",
    "table",
    "active",
    "open",
    "uuid",
    "rw",
    "utf",
    "vt100",
    "ascii",
    "inverted",
    "compact",
    "notrunc",
)


class Tree:
    """What is below each device, by number."""

    def __init__(self, call: Call, options: list[str]) -> None:
        self.call = call
        self.options = options
        self.marks = UTF if "utf" in options else ASCII
        self.below: dict[str, list[str]] = {}
        self.above: dict[str, list[str]] = {}
        self.order: list[str] = []
        for device in call.control.registry.all_mapped():
            self._visit(device.devt)

    def _visit(self, number: str) -> None:
        """As the tree is built: a device, then what is below it, depth first."""
        if number in self.below:
            return
        self.order.append(number)
        self.below[number] = []
        self.above.setdefault(number, [])
        device = self.call.control.registry.by_number(number)
        if not isinstance(device, MappedDevice) or device.table is None:
            return
        numbers = [other.devt for other in device.table.devices()]
        numbers.reverse()
        for other in numbers:
            self.below[number].append(other)
            self.above.setdefault(other, []).append(number)
            self._visit(other)

    def show(self) -> None:
        inverted = "inverted" in self.options
        children = self.above if inverted else self.below
        parents = self.below if inverted else self.above
        for number in self.order:
            if not parents[number] and self._is_shown(number):
                self.call.put(self._label(number))
                self._show_children(number, "", children)

    def _show_children(self, number: str, indent: str, children: dict[str, list[str]]) -> None:
        shown = [child for child in children[number] if self._is_shown(child)]
        for place, child in enumerate(shown):
            last = place == len(shown) - 1
            self.call.put(indent + self.marks[3 if last else 2] + self._label(child))
            self._show_children(child, indent + self.marks[1 if last else 0], children)

    def _is_shown(self, number: str) -> bool:
        """One without a name of its own has nothing but its number to show."""
        return self._name(number) != "" or "nodevice" not in self.options or "blkdevname" in self.options

    def _name(self, number: str) -> str:
        device = self.call.control.registry.by_number(number)
        return unmangled(device.name) if isinstance(device, MappedDevice) else ""

    def _label(self, number: str) -> str:
        text = self._name(number)
        if "blkdevname" in self.options:
            text += f" <{self.call.surroundings.block_name(number)}>"
        if "nodevice" not in self.options:
            text += f" ({number})"
        device = self.call.control.registry.by_number(number)
        return text + self._attributes(device) if isinstance(device, MappedDevice) else text

    def _attributes(self, device: MappedDevice) -> str:
        words: list[str] = []
        if "active" in self.options:
            words.append("SUSPENDED" if device.is_suspended() else "ACTIVE")
        if "rw" in self.options:
            words.append("RO" if device.shows_read_only() else "RW")
        if "open" in self.options:
            words.append(str(self.call.control.registry.open_count(device)))
        if "uuid" in self.options:
            words.append(unmangled(device.uuid))
        return f" [{', '.join(words)}]" if words else ""

    def show_compact(self) -> None:
        """As few lines as possible: the first child goes on its parent's line."""
        inverted = "inverted" in self.options
        children = self.above if inverted else self.below
        parents = self.below if inverted else self.above
        for number in self.order:
            if not parents[number]:
                for line in self._compact(number, children):
                    self.call.put(line)

    def _compact(self, number: str, children: dict[str, list[str]]) -> list[str]:
        marks = COMPACT_UTF if "utf" in self.options else COMPACT_ASCII
        label = self._label(number)
        lines: list[str] = []
        shown = children[number]
        for place, child in enumerate(shown):
            last = place == len(shown) - 1
            part = self._compact(child, children)
            if place == 0:
                lines.append(label + marks[1 if last else 0] + part[0])
            else:
                lines.append(" " * len(label) + marks[3 if last else 2] + part[0])
            keep = "   " if last else " | "
            lines += [" " * len(label) + keep + rest for rest in part[1:]]
        return lines or [label]


def check_tree_options(call: Call) -> bool:
    """Whether `-o` of `ls --tree` is known. Options may be cut short, and the first that begins so is meant."""
    return _tree_options(call, True) is not None


def _tree_options(call: Call, complains: bool) -> list[str] | None:
    found: list[str] = []
    given = call.value("options")
    for option in given.split(",") if given else []:
        meant = [known for known in OPTIONS if known.startswith(option)]
        if not meant:
            if complains:
                call.complain(f"Tree options not recognised: {option}.")
            return None
        found.append(meant[0])
    return found


def show_tree(call: Call) -> None:
    options = _tree_options(call, False) or []
    tree = Tree(call, options)
    if "compact" in options:
        tree.show_compact()
    else:
        tree.show()
