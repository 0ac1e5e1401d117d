"""Selectors and elevators that are named by where they are: found, guarded, and refused with the reason."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hawser.block.bio import Bio
from hawser.block.ops import READ
from hawser.core.status import OK
from hawser.core.units import NS_PER_MS
from hawser.lab.model.own import learn, learn_elevator, learn_selector
from hawser.lab.model.scenario import MapModel, PathModel, Scenario, ScenarioError
from hawser.lab.world import Answer, World, make_multipath
from hawser.multipath.selectors.base import SELECTORS, SelectorError, find_selector

EXAMPLES = Path(__file__).parents[3] / "examples"
BASE = "from hawser.multipath.selectors.base import PathSelector\n"
ELEVATOR = """
from hawser.block.elevators.base import Elevator


class Newest(Elevator):
    def __init__(self, queue):
        super().__init__(queue)
        self.stack = []

    def insert(self, request, at_head):
        self.stack.append(request)

    def merge(self, bio):
        return None

    def peek(self):
        return self.stack[-1] if self.stack else None

    def next(self):
        return self.stack.pop() if self.stack else None

    def waiting(self):
        return len(self.stack)

    def requests(self):
        return list(self.stack)

    def take_all(self):
        taken, self.stack = self.stack, []
        return taken
"""

Writer = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    def put(text: str) -> str:
        file = tmp_path / f"mine{len(list(tmp_path.iterdir()))}.py"
        file.write_text(text)
        return str(file)

    return put


def test_the_example_chooses_the_quicker_path():
    name = f"{EXAMPLES / 'quickest.py'}:Quickest"
    learn_selector(f"{name} 0")
    rig = make_multipath(World(), paths=2, selector=f"{name} 0")
    rig.paths[0].driver.default = Answer(delay_ns=5 * NS_PER_MS)
    rig.paths[1].driver.default = Answer(delay_ns=NS_PER_MS)
    for number in range(40):
        rig.client.submit([Bio(READ, number * 8, 4096, rig.client)])
        rig.world.run()
    assert len(rig.paths[0].driver.sent) <= 2
    assert f" {name} 0 " in rig.device.live_targets()[0].status_table()


def test_a_scenario_names_it_by_its_file_or_its_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Writer):
    (tmp_path / "own_package_of_test.py").write_text(
        f"{BASE}class First(PathSelector):\n    def __init__(self, words):\n        super().__init__()\n"
        "        self.words = words\n    def select(self, size): return self.valid[0] if self.valid else None\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("own_package_of_test:First", "own_package_of_test.py:First"):
        scenario = Scenario(map=MapModel(selector=f"{name} 2 a b"))
        learn(scenario)
        learn(scenario)
        rig = make_multipath(World(), selector=scenario.map.selector)
        rig.client.submit([Bio(READ, 0, 4096, rig.client)])
        rig.world.run()
        assert [len(path.driver.sent) for path in rig.paths] == [1, 0]
        make = find_selector(name)
        assert make is not None
        assert vars(make(["a", "b"]).inner)["words"] == ["a", "b"]  # type: ignore[attr-defined]


def test_those_of_linux_are_left_alone():
    known = dict(SELECTORS)
    learn(Scenario(paths=[PathModel(scheduler="mq-deadline")]))
    assert known == SELECTORS


REFUSED = {
    ":Mine": "path selector ':Mine': FILE.py:CLASS or package.module:CLASS is wanted",
    "nosuch.py:Mine": "path selector 'nosuch.py:Mine': there is no file 'nosuch.py' here",
    "no_such_module:Mine": "path selector 'no_such_module:Mine': cannot be imported: ModuleNotFoundError: ",
    "folder/mine:Mine": "cannot be imported: ModuleNotFoundError: No module named 'folder/mine'; a file's name ends in .py",
    "hawser.core.units:KIB": "path selector 'hawser.core.units:KIB': is a int, and no class or function that makes one",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_found_is_refused_with_the_reason(name: str):
    with pytest.raises(ScenarioError) as caught:
        learn_selector(f"{name} 0")
    assert REFUSED[name] in str(caught.value)


def test_a_file_that_cannot_be_read_and_a_class_that_is_not_in_it(write: Writer):
    file = write("1 / 0\n")
    with pytest.raises(ScenarioError, match="cannot be read: ZeroDivisionError: division by zero"):
        learn_selector(f"{file}:Mine 0")
    file = write("class Other: pass\nclass Another: pass\n")
    with pytest.raises(ScenarioError, match="is called 'Mine'; it has Other, Another"):
        learn_selector(f"{file}:Mine 0")


def test_what_is_no_selector_refuses_the_table(write: Writer):
    file = write("def mine(words): return words\n")
    learn_selector(f"{file}:mine 0")
    make = find_selector(f"{file}:mine")
    assert make is not None
    with pytest.raises(SelectorError, match="makes a list, which is no PathSelector"):
        make([])


MISTAKES = {
    "select(self, size)": ("1 / 0", "select: ZeroDivisionError: division by zero"),
    "select(self, size) ": ("return self.failed[0]", "select: 259:1 is not to be used"),
    "end_io(self, path, size, start_ns)": ("raise KeyError(1)", "end_io: KeyError: 1"),
}


@pytest.mark.parametrize("method", MISTAKES)
def test_a_selectors_mistake_ends_the_run_and_is_named(write: Writer, method: str):
    """Otherwise its paths would take turns from then on, and the result would be another selector's."""
    body, reason = MISTAKES[method]
    file = write(
        f"{BASE}class Mine(PathSelector):\n    def __init__(self, words): super().__init__()\n"
        "    def select(self, size): return self.valid[0] if self.valid else None\n"
        f"    def {method.strip()}:\n        {body}\n"
    )
    learn_selector(f"{file}:Mine 0")
    rig = make_multipath(World(), paths=2, selector=f"{file}:Mine 0")
    rig.message("fail_path 259:1")

    def play() -> None:
        rig.client.submit([Bio(READ, 0, 4096, rig.client)])
        rig.world.run()

    with pytest.raises(ScenarioError) as caught:
        play()
    assert str(caught.value) == f"path selector '{file}:Mine': {reason}"


def order_of(scheduler: str, then: str = "") -> tuple[list[int], list[int]]:
    """The sectors in the order in which one path, which takes one at a time, is sent them; and the answers. `then`: the elevator
    is changed while they wait."""
    rig = make_multipath(World(), paths=1, depth=1)
    rig.device.queue.set_scheduler(scheduler)
    for sector in (0, 800, 400, 1600, 1200):
        rig.client.submit([Bio(READ, sector, 4096, rig.client)])
    if then:
        rig.device.queue.set_scheduler(then)
    rig.world.run()
    return [sent[1] for sent in rig.paths[0].driver.sent], [bio.status for bio in rig.client.done]


def test_an_elevator_of_ones_own(write: Writer):
    name = f"{write(ELEVATOR)}:Newest"
    learn_elevator(name)
    sent, answers = order_of(name)
    assert answers == [OK] * 5
    # The second was taken out when it was the only one that waited.
    assert sent == [0, 800, 1200, 1600, 400]


CLUMSY = {
    "next(self)": ("taken = self.stack.pop()\n        self.stack.clear()\n        return taken", "next: "),
    "next(self) ": ("return self.stack[9]", "next: IndexError: list index out of range"),
    "insert(self, request, at_head)": (
        "self.stack = [request, request, request]",
        "insert: 0 requests waited, and one more makes 3",
    ),
    "take_all(self)": ("return []", "take_all: gives 0 of the "),
}


@pytest.mark.parametrize("method", CLUMSY)
def test_an_elevators_mistake_ends_the_run_and_is_named(write: Writer, method: str):
    body, reason = CLUMSY[method]
    file = write(f"{ELEVATOR}\n\nclass Clumsy(Newest):\n    def {method.strip()}:\n        {body}\n")
    name = f"{file}:Clumsy"
    learn_elevator(name)
    with pytest.raises(ScenarioError) as caught:
        order_of(name, then="none")
    assert str(caught.value).startswith(f"elevator '{name}': {reason}")


def test_what_is_no_elevator_is_refused(write: Writer):
    name = f"{write('def mine(queue): return 7')}:mine"
    learn_elevator(name)
    with pytest.raises(ScenarioError, match="makes a int, which is no Elevator"):
        order_of(name)
