"""Tables drawn from the grammar: valid ones are printed as Linux prints them and can be loaded again; garbage is refused in the
kernel's words, and nothing that is loaded has changed.

What Linux prints (transcripts 01 to 05, 20): features counted anew and in its own order, the mode only if it is bio, bio mode
with retain_attached_hw_handler, no handler arguments, the group that the next I/O will use, selectors' arguments filled in.
"""

import re
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hawser.core.log import LogSink
from hawser.core.status import OK
from hawser.core.units import MIB
from hawser.dm.control import Control
from hawser.dm.dmsetup.table_text import TableTextError, parse_table, split_words
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.suspension import ControlError
from hawser.dm.table import TableLine
from hawser.lab.world import Answer, Client, RamPath, Store, World
from hawser.multipath.selectors.base import SELECTORS

SECTORS = MIB >> 9
PATHS = 6
QUICK = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
LONG = settings(max_examples=20_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])


# What a table means, and what Linux prints of it.


@dataclass
class Group:
    """`args`: of the selector, `words`: of each path; `told` and `each` are what is printed of the two."""

    selector: str
    args: str
    paths: list[str]
    words: list[str]
    told: str
    each: list[str]

    def text(self) -> str:
        count = len(self.words[0].split())
        paths = " ".join(f"{path} {word}".strip() for path, word in zip(self.paths, self.words, strict=True))
        return f"{self.selector} {self.args} {len(self.paths)} {count} {paths}"

    def printed(self) -> str:
        count = len(self.each[0].split())
        paths = "".join(f"{path} {word} " for path, word in zip(self.paths, self.each, strict=True))
        return f"{self.selector} {self.told} {len(self.paths)} {count} {paths}"


@dataclass
class Drawn:
    mode: str
    features: list[str] = field(default_factory=list)
    handler: list[str] = field(default_factory=list)
    initial: int = 0
    groups: list[Group] = field(default_factory=list)

    def words(self) -> str:
        features = " ".join(self.features).split()
        head = [str(len(features)), *features, str(len(self.handler)), *self.handler, str(len(self.groups))]
        return " ".join([*head, str(self.initial), *(group.text() for group in self.groups)])

    def _last(self, name: str) -> list[str]:
        """The feature as it was given last; names and modes are read without regard to case."""
        found = [feature.lower() for feature in self.features if feature.lower().split()[0] == name]
        return found[-1].split() if found else []

    def printed(self) -> str:
        is_bio = self._last("queue_mode")[-1:] == ["bio"]
        words = [*self._last("queue_if_no_path"), *self._last("pg_init_retries"), *self._last("pg_init_delay_msecs")]
        # pg_init_retries is a number: it is printed as one.
        words = [str(int(word)) if word.isdecimal() else word for word in words]
        if is_bio or self._last("retain_attached_hw_handler"):
            words.append("retain_attached_hw_handler")
        if is_bio:
            words += ["queue_mode", "bio"]
        shown = self.initial if self.initial <= len(self.groups) else 1
        head = [str(len(words)), *words, "0", str(len(self.groups)), str(shown)]
        return f"{' '.join(head)} {''.join(group.printed() for group in self.groups)}"

    def status(self) -> str:
        """Of a table that nothing has been sent through."""
        shown = self.initial if self.initial <= len(self.groups) else 1
        text = f"2 1 0 0 {len(self.groups)} {shown} "
        for group in self.groups:
            each = "".join(f"{path} A 0 {info}" for path, info in zip(group.paths, self._info(group), strict=True))
            text += f"E {group.told} {len(group.paths)} {INFO_ARGS[group.selector]} {each}"
        return text

    def _info(self, group: Group) -> list[str]:
        if group.selector == "service-time":
            return [f"0 {word.split()[1]} " for word in group.each]
        return ["0 " if INFO_ARGS[group.selector] else ""] * len(group.paths)


INFO_ARGS = {"round-robin": 0, "queue-length": 1, "service-time": 2}


@st.composite
def cased(draw: st.DrawFn, word: str) -> str:
    """The word, some of its letters large."""
    return draw(st.sampled_from([word, word.upper(), word.capitalize()]))


@st.composite
def numbers(draw: st.DrawFn, low: int, high: int) -> str:
    return "0" * draw(st.integers(0, 2)) + str(draw(st.integers(low, high)))


@st.composite
def feature(draw: st.DrawFn, name: str) -> str:
    text = draw(cased(name))
    if name == "pg_init_retries":
        return f"{text} {draw(numbers(1, 50))}"
    if name == "pg_init_delay_msecs":
        return f"{text} {draw(numbers(0, 60000))}"
    return text


FEATURES = ("queue_if_no_path", "retain_attached_hw_handler", "pg_init_retries", "pg_init_delay_msecs")


@st.composite
def feature_lists(draw: st.DrawFn, mode: str) -> list[str]:
    """Up to eight words, in any order, some given twice; the mode last where it counts."""
    modes = [f"queue_mode {mode}"] if mode != "rq" or draw(st.booleans()) else []
    room = 8 - 2 * len(modes)
    chosen: list[str] = []
    for name in draw(st.lists(st.sampled_from(FEATURES), max_size=4)):
        text = draw(feature(name))
        room -= len(text.split())
        if room < 0:
            break
        chosen.append(text)
    place = draw(st.integers(0, len(chosen)))
    return [*chosen[:place], *modes, *chosen[place:]]


@st.composite
def groups(draw: st.DrawFn, devices: list[str]) -> Group:
    name = draw(st.sampled_from(sorted(INFO_ARGS)))
    # Selectors without arguments take any.
    args = draw(st.lists(st.sampled_from(["x", "0", "9999999999"]), max_size=2))
    paths = draw(st.lists(st.sampled_from(devices), min_size=1, max_size=4))
    count = draw(st.integers(0, 2 if name == "service-time" else 1))
    words: list[str] = []
    each: list[str] = []
    for _ in paths:
        repeat = draw(st.sampled_from(["0", "1", "2", "1000", "4294967296"]))
        weight = draw(numbers(0, 100))
        words.append(" ".join([repeat, weight][:count]))
        kept = str(min(int(repeat) & 0xFFFF_FFFF, 1)) if count else "1"
        each.append(f"{kept} {int(weight) if count > 1 else 1}" if name == "service-time" else kept)
    return Group(name, " ".join([str(len(args)), *args]), paths, words, "0", each)


@st.composite
def tables(draw: st.DrawFn, mode: str, devices: list[str]) -> Drawn:
    drawn = Drawn(mode, draw(feature_lists(mode)))
    if mode == "bio" and draw(st.booleans()):
        drawn.handler = draw(st.lists(st.sampled_from(["alua", "1", "nonsense"]), max_size=3))
    drawn.groups = draw(st.lists(groups(devices), max_size=4))
    if drawn.groups:
        drawn.initial = draw(st.one_of(st.integers(1, len(drawn.groups)), st.integers(1, 1024)))
    return drawn


# A device that is in use.


class Kernel(LogSink):
    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def emit(self, level: int, text: str) -> None:
        self.heard.append(text)


class Machine:
    """`mp` has a live and an inactive table of `mode`, and reads that are on their way."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.world = World()
        self.store = Store(MIB)
        self.paths: list[RamPath] = [self.world.ram_path(f"p{number}", self.store) for number in range(PATHS)]
        self.devices = [path.device.devt for path in self.paths]
        self.kernel = Kernel()
        self.world.log = self.kernel
        line = f"2 queue_mode {mode} 0 2 1 queue-length 0 2 0 259:0 259:1 round-robin 0 1 0 259:2"
        self.device: MappedDevice = self.world.mapped("mp", f"0 {SECTORS} multipath {line}")
        self.control = Control(self.world.registry, self.kernel)
        self.client = Client(self.device, self.world.disk)
        self.load(line.replace("0 2 1 queue", "0 2 2 queue"))
        for number in range(4):
            self.paths[number % 2].driver.script.append(Answer(silent=True))
            self.client.read(number * 8, 4096)
        self.world.settle()

    def load(self, words: str) -> None:
        self.control.load(self.device, [TableLine(0, SECTORS, "multipath", split_words(words))])

    def state(self) -> list[str | int]:
        """All that a refusal must leave as it is."""
        seen: list[str | int] = [self.device.event_nr, len(self.client.done), len(self.world.disk.fences.listeners)]
        for table in self.device.tables():
            seen += [table.targets[0].status_info(), table.targets[0].status_table()]
        return [*seen, *(len(path.driver.outstanding()) for path in self.paths), self.device.in_flight()]

    def finish(self) -> None:
        """What was on its way is answered."""
        for path in self.paths:
            for request in list(path.driver.outstanding()):
                path.driver.deliver(request, Answer())
        self.world.run()
        assert [bio.status for bio in self.client.done] == [OK] * 4


def inactive(machine: Machine) -> tuple[str, str]:
    table = machine.device.inactive
    assert table is not None
    return table.targets[0].status_table(), table.targets[0].status_info()


# Valid ones.


def check_valid(machine: Machine, drawn: Drawn) -> None:
    words = drawn.words()
    machine.kernel.heard.clear()
    before = machine.state()
    machine.load(words)
    printed, status = inactive(machine)
    assert (printed, status) == (drawn.printed(), drawn.status()), words
    said = "\n".join(machine.kernel.heard)
    assert ("bio-based multipath doesn't allow hardware handler args" in said) == bool(drawn.handler)
    counts = [word.split()[0] for group in drawn.groups for word in group.words if word]
    assert said.count("repeat_count > 1 is deprecated") == sum(int(count) & 0xFFFF_FFFF > 1 for count in counts)
    machine.load(printed)
    assert inactive(machine) == (printed, status)
    after = machine.state()
    assert (after[:5], after[7:]) == (before[:5], before[7:]), "the live table does not hear of it"


@pytest.fixture(params=["rq", "bio", "mq"], scope="module")
def machine(request: pytest.FixtureRequest) -> Machine:
    return Machine(request.param)


@QUICK
@given(data=st.data())
def test_a_valid_table_is_printed_as_linux_prints_it_and_can_be_loaded_again(machine: Machine, data: st.DataObject):
    check_valid(machine, data.draw(tables(machine.mode, machine.devices)))


@pytest.mark.soak
@LONG
@given(data=st.data())
def test_many_valid_tables(machine: Machine, data: st.DataObject):
    check_valid(machine, data.draw(tables(machine.mode, machine.devices)))


# Garbage.

REFUSALS = [
    "invalid number of feature args", "Unrecognised multipath feature request", "Unknown 'queue_mode' requested",
    "pg_init_retries must be between 1 and 50", "pg_init_delay_msecs must be between 0 and 60000",
    "invalid number of hardware handler args", "invalid number of priority groups", "invalid initial priority group number",
    "invalid initial priority group", "priority group count mismatch", "not enough priority group arguments",
    "unknown path selector type", "invalid number of path selector args", "path selector constructor failed",
    "invalid number of paths", "invalid number of selector args", "not enough path parameters", "no device given",
    "error getting device", "error attaching hardware handler", "unable to set hardware handler parameters",
    *(f"{name} ps: {what}" for name in ("round-robin", "queue-length", "service-time", "historical-service-time")
      for what in ("incorrect number of arguments", "invalid repeat count", "invalid relative_throughput value")),
    "io-affinity ps: invalid number of arguments", "io-affinity ps: invalid cpumask",
    "io-affinity ps: No new/valid CPU mapping found",
]  # fmt: skip
OF_TARGET = re.compile(
    rf"254:\d+: multipath: ({'|'.join(re.escape(text) for text in REFUSALS)}) \(-(EINVAL|ENXIO|ENOENT|EOVERFLOW|ENODEV)\)"
)
OF_TABLE = re.compile(
    r"table load rejected: including non-request-stackable devices|unable to determine table type"
    r"|can't change device type \(old=\d vs new=\d\) after initial table load\."
)
SPICE = [
    "", "0", "1", "2", "-1", "+1", "1024", "1025", "0x1", "1e3", "4294967295", "4294967296", "4294967297", "9" * 40, "9" * 5000,
    "queue_if_no_path", "queue_mode", "bio", "rq", "pg_init_retries", "retain_attached_hw_handler", "round-robin", "service-time",
    "259:0", "259:99", "4096:0", "1:1048576", "0259:01", "259:0x", "p0", "/dev/nothing", "ü", "\u00a0", "\u2003",
    "\u0663", "\uff11", "\x00", "\\", "\\ ", "a\\ b", "#", "%s%n", "\udcff", "K" * 300,
]  # fmt: skip


@st.composite
def garbage(draw: st.DrawFn, mode: str, devices: list[str]) -> str:
    """A valid table of any mode with some words changed, left out, doubled, exchanged or put in; or any words at all."""
    if draw(st.integers(0, 9)) == 0:
        words = draw(st.lists(st.one_of(st.sampled_from(SPICE), st.text(max_size=8)), max_size=12))
    else:
        other = draw(st.sampled_from(["rq", "bio", mode, mode, mode]))
        words = draw(tables(other, devices)).words().split(" ")
        for _ in range(draw(st.integers(1, 3))):
            place = draw(st.integers(0, max(0, len(words) - 1)))
            what = draw(st.integers(0, 4))
            if what == 0:
                del words[place : place + 1]
            elif what == 1:
                words.insert(place, draw(st.sampled_from(SPICE)))
            elif what == 2:
                words[place : place + 1] = [draw(st.sampled_from(SPICE))]
            elif what == 3:
                words[place:place] = words[place : place + draw(st.integers(1, 4))]
            else:
                words = words[:place]
    return " ".join(words)


def check_garbage(machine: Machine, words: str) -> None:
    machine.kernel.heard.clear()
    before = machine.state()
    refusal = ""
    try:
        machine.load(words)
    except ControlError as error:
        refusal = str(error)
    if refusal:
        assert machine.state() == before, words
        first, *others = [line for line in machine.kernel.heard if not line.startswith("multipath ")]
        if first.startswith("multipath: bio-based"):
            first, *others = others
        assert OF_TARGET.fullmatch(first.removeprefix("table: ")) or OF_TABLE.search(first), (first, words)
        assert refusal in first
        assert others == ["ioctl: error adding target to table"] or OF_TABLE.search(first)
    else:
        # It was no garbage: then it is as good as any other.
        printed = inactive(machine)
        machine.load(printed[0])
        assert inactive(machine)[0] == printed[0]
        after = machine.state()
        assert (after[:5], after[7:]) == (before[:5], before[7:])


@QUICK
@given(data=st.data())
def test_garbage_is_refused_in_the_kernels_words_and_changes_nothing(machine: Machine, data: st.DataObject):
    check_garbage(machine, data.draw(garbage(machine.mode, machine.devices)))


@pytest.mark.soak
@LONG
@given(data=st.data())
def test_much_garbage(machine: Machine, data: st.DataObject):
    check_garbage(machine, data.draw(garbage(machine.mode, machine.devices)))


@QUICK
@given(
    text=st.one_of(
        st.text(max_size=60), st.lists(st.sampled_from([*SPICE, "\n", "multipath"]), max_size=9).map(" ".join)
    )
)
def test_lines_that_are_no_tables_are_refused_by_dmsetup(machine: Machine, text: str):
    before = machine.state()
    refusal = ""
    try:
        machine.control.load(machine.device, parse_table(text, "on command line"))
    except TableTextError as complaint:
        refusal = str(complaint)
        assert re.search("Invalid format on line|is too long", refusal)
    except ControlError as error:
        refusal = str(error)
    assert not refusal or machine.state() == before


def test_in_the_end_what_was_in_flight_is_answered(machine: Machine):
    """Whatever was loaded meanwhile."""
    machine.finish()


def test_each_selector_that_there_is_has_been_drawn_or_is_known_not_to_be():
    known = {"historical-service-time", "io-affinity"}
    # The laboratory's own, which only its experiments use.
    known.add("service-time-int32")
    assert set(SELECTORS) - set(INFO_ARGS) <= known
