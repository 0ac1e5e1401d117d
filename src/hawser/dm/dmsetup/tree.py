"""`dmsetup ls --tree`: mapped devices that none stands on, and below each what it stands on.

lvm2: _display_tree() of dmsetup.c over the dependency tree of libdm/libdm-deptree.c. A device below several stands below each.
`inverted` turns it round: what stands on nothing, and below each what stands on it. `compact` puts the first one below a device
on its line. What does not fit into 80 columns is cut off, unless `notrunc` says otherwise.
"""

from typing import Final

from hawser.dm.dmsetup.call import Call
from hawser.dm.mapped_device import MappedDevice

COLUMNS: Final = 80
# Linux draws no deeper.
DEPTH_MAX: Final = 98


class Marks:
    """How lines are drawn: nothing, one with brothers below, a line past it, the last one; before an only child, a first one."""

    def __init__(self, empty: str, branch: str, past: str, last: str, single: str, first: str) -> None:
        self.empty = empty
        self.branch = branch
        self.past = past
        self.last = last
        self.single = single
        self.first = first


def _graphic(letters: str) -> str:
    """In a VT100's second character set."""
    return f"\x1b(0\x0f{letters}\x1b(B"


ASCII: Final = Marks("  ", "|-", "| ", "`-", "---", "-+-")
UTF: Final = Marks("  ", "├─", "│ ", "└─", "───", "─┬─")
VT100: Final = Marks("  ", _graphic("tq"), _graphic("x") + " ", _graphic("mq"), _graphic("qqq"), _graphic("qwq"))

# In the order in which what is cut short is looked for.
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
# With one of these, lines are not put together.
LONG: Final = ("active", "open", "uuid", "rw", "status", "table")


class _Paper:
    """A line that is cut off where it is too long. The last column may hold a character only if no other follows."""

    def __init__(self, call: Call, is_cut: bool) -> None:
        self.call = call
        self.is_cut = is_cut
        self.column = 1
        self._last = ""
        self._line = ""

    def write(self, text: str) -> None:
        for letter in text:
            self.column += 1
            if not self.is_cut or self.column <= COLUMNS:
                self._line += letter
            elif self.column == COLUMNS + 1:
                if self._last or not letter.isascii():
                    self._line += "..."
                else:
                    self._last = letter
                    self.column -= 1

    def end(self) -> None:
        if self._last and self.column == COLUMNS:
            self._line += self._last
        self.call.put(self._line)
        self.column = 1
        self._last = ""
        self._line = ""


class Tree:
    """What is below each device, by number."""

    def __init__(self, call: Call, options: list[str]) -> None:
        self.call = call
        self.options = options
        self.shows_numbers = True
        self.marks = ASCII
        for option in options:
            if option in ("device", "nodevice"):
                self.shows_numbers = option == "device"
            elif option in ("utf", "vt100", "ascii"):
                self.marks = UTF if option == "utf" else VT100 if option == "vt100" else ASCII
        self.is_compact = "compact" in options and not any(option in LONG for option in options)
        self.paper = _Paper(call, "notrunc" not in options)
        self.below: dict[str, list[str]] = {}
        self.above: dict[str, list[str]] = {}
        self.order: list[str] = []
        for device in call.control.registry.all_mapped():
            self._visit(device.devt)
        # Of the branch that is being drawn: how wide the text of each depth is, and whether more follows at that depth.
        self._widths = [0] * (DEPTH_MAX + 2)
        self._more = [False] * (DEPTH_MAX + 2)

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
        self._show([number for number in self.order if not parents[number]], 0, children)

    def _show(self, numbers: list[str], depth: int, children: dict[str, list[str]]) -> None:
        for place, number in enumerate(numbers):
            self._put_device(number, depth, place == len(numbers) - 1, len(children[number]) > 0)
            if children[number]:
                self._show(children[number], depth + 1, children)

    def _put_device(self, number: str, depth: int, is_last: bool, has_children: bool) -> None:
        name = self._name(number)
        if depth > DEPTH_MAX or (not name and not self.shows_numbers and "blkdevname" not in self.options):
            return
        paper = self.paper
        self._more[depth] = not is_last
        self._widths[depth] = 0
        begins = paper.column == 1
        if not self.is_compact or begins:
            self._put_branch(depth)
        offset = paper.column
        if self.is_compact and not begins:
            paper.write(self.marks.single if is_last else self.marks.first)
        paper.write(self._label(number, name))
        if self.is_compact:
            self._widths[depth] = paper.column - offset
        if not self.is_compact or not has_children:
            paper.end()

    def _put_branch(self, depth: int) -> None:
        marks = self.marks
        for above in range(depth):
            self.paper.write(" " * (self._widths[above] + 1))
            if above == depth - 1:
                self.paper.write(marks.branch if self._more[depth] else marks.last)
            else:
                self.paper.write(marks.past if self._more[above + 1] else marks.empty)

    def _name(self, number: str) -> str:
        device = self.call.control.registry.by_number(number)
        return self.call.shown(device.name) if isinstance(device, MappedDevice) else ""

    def _label(self, number: str, name: str) -> str:
        text = name
        block_name = self.call.surroundings.block_name(number) if "blkdevname" in self.options else ""
        if block_name:
            text += f" <{block_name}>"
        if self.shows_numbers:
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
            words.append(self.call.shown(device.uuid))
        return f" [{', '.join(words)}]" if words else ""


def check_tree_options(call: Call) -> bool:
    """Whether `-o` of `ls --tree` is known. Options may be cut short, and the first that begins so is meant."""
    return _tree_options(call, True) is not None


def _tree_options(call: Call, complains: bool) -> list[str] | None:
    found: list[str] = []
    given = call.value("options").split(",") if call.value("options") else []
    if given and not given[-1]:
        # (Nothing is read behind a last comma.)
        given.pop()
    for place, option in enumerate(given):
        meant = [known for known in OPTIONS if known.startswith(option)]
        if not meant:
            if complains:
                call.complain(f"Tree options not recognised: {','.join(call.value('options').split(',')[place:])}.")
            return None
        found.append(meant[0])
    return found


def show_tree(call: Call) -> None:
    Tree(call, _tree_options(call, False) or []).show()
