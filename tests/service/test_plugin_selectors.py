"""Path selectors of other packages: the example of docs/selectors.md, installed and used as a user does; and broken ones."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.gateway import HAWSER, Gateway, serve_command
from tests.support.processes import run

from hawser import plugins
from hawser.block.bio import Bio
from hawser.block.ops import READ
from hawser.core.status import OK
from hawser.core.units import KIB, NS_PER_MS
from hawser.dm.target import TableError
from hawser.lab.draw import draw_plan
from hawser.lab.plan import Plan
from hawser.lab.plan_file import dumps
from hawser.lab.trial import attempt
from hawser.lab.world import Answer, Rig, World, make_multipath
from hawser.multipath.selectors.base import SELECTORS, PathSelector, SelectorError, find_selector, selector_names
from hawser.paths.uri import parse_path_uri
from hawser.service.options import OptionError, ServeOptions, build_table

DOCUMENT = Path(__file__).parents[2] / "docs" / "selectors.md"

# Installs a package of one module: its name, its text, what it offers.
Installer = Callable[[str, str, str], None]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory for packages, on the path of this process and of those that it starts. What they offer is forgotten."""
    known, modules = dict(SELECTORS), set(sys.modules)
    directory = tmp_path / "site"
    directory.mkdir()
    monkeypatch.syspath_prepend(str(directory))
    inherited = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(directory), inherited])))
    yield directory
    for name in list(SELECTORS):
        if name not in known:
            del SELECTORS[name]
    for name in set(sys.modules) - modules:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(directory):
            del sys.modules[name]


@pytest.fixture
def install(site: Path) -> Installer:
    def put(module: str, text: str, offers: str) -> None:
        (site / f"{module}.py").write_text(text)
        information = site / f"{module}_selector-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}-selector\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(f"[hawser.path_selectors]\n{offers}\n")

    return put


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)


@pytest.fixture
def quickest(install: Installer) -> None:
    """The document's example, offered as it says."""
    (toml,) = blocks("toml")
    (name, value) = re.findall(r'^(\w+) = "(\w+:\w+)"$', toml, re.MULTILINE)[-1]
    install("quickest", blocks("python")[0], f"{name} = {value}")


def test_the_example_has_about_twenty_lines():
    lines = [line for line in blocks("python")[0].splitlines() if line.strip()]
    assert len(lines) <= 24


@pytest.mark.usefixtures("quickest")
def test_the_example_in_the_laboratory(capsys: pytest.CaptureFixture[str]):
    exec(blocks("python")[1], {})
    counts = re.match(r"\[(\d+), (\d+)\]", capsys.readouterr().out)
    assert counts is not None
    assert int(counts[1]) <= 2 and int(counts[1]) + int(counts[2]) == 100, "5 ms against 1 ms"


@pytest.mark.usefixtures("quickest")
@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_it_is_told_of_time_and_prints_its_words(mode: str):
    rig = make_multipath(World(), paths=2, mode=mode, selector="quickest 0")
    for number, path in enumerate(rig.paths, 1):
        path.driver.default = Answer(delay_ns=number * NS_PER_MS)
    for _ in range(4):
        rig.client.submit([Bio(READ, 0, 4096, rig.client)])
        rig.world.run()
    assert [len(path.driver.sent) for path in rig.paths] == [3, 1]
    assert rig.status().endswith("A 0 2 1 259:0 A 0 1000000 259:1 A 0 2000000 ")
    assert rig.device.live_targets()[0].status_table().endswith(" quickest 0 2 0 259:0 259:1 ")


def plan_with(selector: str) -> Plan:
    """The first random world in whose tables it can stand for another one."""
    for seed in range(100):
        plan = draw_plan(seed)
        tables = [re.sub(r" [a-z-]+ 0 (\d+) 0 {", rf" {selector} 0 \1 0 {{", table) for table in plan.tables]
        if all(selector in table for table in tables) and " 0 1 0 " not in tables[0]:
            return replace(plan, tables=tables)
    raise AssertionError("there is none")


@pytest.mark.usefixtures("quickest")
def test_a_random_world_with_it_is_as_right_as_with_others():
    plan = plan_with("quickest")
    trial = attempt(plan)
    assert trial.faults == [] and trial.bios > 0
    assert trial.digest == attempt(plan).digest


@pytest.mark.usefixtures("quickest")
def test_a_batch_may_name_it(tmp_path: Path):
    file = tmp_path / "batch"
    table = "0 65536 multipath 0 0 1 1 quickest 0 2 0 8:0 8:16"
    file.write_text(f"disk a scsi size=32M\ndisk b scsi size=32M\ncreate mp --table '{table}'\ntable mp\n")
    done = run([*HAWSER, "dm", "--batch", str(file)], check=False)
    assert (done.returncode, done.stdout) == (0, f"{table} \n")


@pytest.mark.usefixtures("quickest")
def test_a_plan_in_a_file_may_name_it(tmp_path: Path):
    file = tmp_path / "plan.json"
    file.write_text(dumps(plan_with("quickest")))
    done = run([*HAWSER, "lab", "show", str(file)], check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.interop
@pytest.mark.usefixtures("quickest")
@pytest.mark.parametrize(
    "options",
    [
        ["--selector", "quickest 0"],
        ["--table", "0 2048 multipath 2 queue_mode bio 0 1 1 quickest 0 2 0 259:0 259:1"],
    ],
)
def test_the_example_serves(socket_dir: Path, options: list[str]):
    served = Gateway("g", socket_dir, ["ram:?size=1M", "ram:?size=1M"], options)
    try:
        client = served.client()
        for number in range(16):
            client.write(number * 4 * KIB, bytes([number]) * 4 * KIB)
        assert client.read(15 * 4 * KIB, 4 * KIB) == bytes([15]) * 4 * KIB
        assert " quickest 0 2 0 259:0 259:1" in served.dm("table")
        assert re.search(r" 0 2 1 259:0 A 0 \d+ 259:1 A 0 \d+ $", served.dm("status").rstrip("\n"))
        # Loaded while it runs, too.
        served.dm("message", "mpatha", "0", "fail_path", "259:0")
        assert client.read(0, 4 * KIB) == bytes(4 * KIB)
        assert served.warnings() == [line for line in served.warnings() if "Failing path" in line]
        served.end()
    finally:
        served.stop()


BASE = "from hawser.multipath.selectors.base import PathSelector\n"
ONLY_SELECT = "class Last(PathSelector):\n    def select(self, size): return self.valid[-1] if self.valid else None\n"


def test_only_select_must_be_written(install: Installer):
    install("last", f"{BASE}{ONLY_SELECT}", "last = last:Last")
    rig = make_multipath(World(), paths=2, selector="last 0")
    rig.client.submit([Bio(READ, 0, 4096, rig.client)])
    rig.world.run()
    assert [len(path.driver.sent) for path in rig.paths] == [0, 1]
    with pytest.raises(TableError, match="constructor failed: ValueError: incorrect number of arguments"):
        make_multipath(World(), paths=2, selector="last 1 7")


# Broken ones.


REFUSED = {
    "no module": ("", "nothing:Nothing", "cannot be loaded: ModuleNotFoundError: No module named 'nothing'"),
    "no class": ("", "broken:Broken", "cannot be loaded: AttributeError: module 'broken' has no attribute 'Broken'"),
    "an error in the text": ("def\n", "broken:Broken", "cannot be loaded: SyntaxError: "),
    "an error on import": ("1 / 0\n", "broken:Broken", "cannot be loaded: ZeroDivisionError: division by zero"),
    "no callable": ("Broken = 7\n", "broken:Broken", "is a int, and no class or function that makes a selector"),
    "no selector": ("def Broken(words): return []\n", "broken:Broken", "makes a list, which is no PathSelector"),
    "a constructor without words": (
        f"{BASE}class Broken(PathSelector):\n    def __init__(self): pass\n",
        "broken:Broken",
        "constructor failed: TypeError: ",
    ),
    "a constructor that refuses": (
        f"{BASE}class Broken(PathSelector):\n    def __init__(self, words): raise ValueError('wants a number')\n",
        "broken:Broken",
        "constructor failed: ValueError: wants a number",
    ),
    "a constructor that forgets": (
        f"{BASE}class Broken(PathSelector):\n    def __init__(self, words): pass\n",
        "broken:Broken",
        "its constructor does not call super().__init__()",
    ),
    "a path that is dropped": (
        f"{BASE}class Broken(PathSelector):\n    def __init__(self, words): super().__init__()\n"
        "    def add_path(self, path, words): pass\n",
        "broken:Broken",
        "add_path: the path is not in `valid`",
    ),
    "an error for a path": (
        f"{BASE}class Broken(PathSelector):\n    def __init__(self, words): super().__init__()\n"
        "    def add_path(self, path, words): words[3]\n",
        "broken:Broken",
        "add_path: IndexError: list index out of range",
    ),
}


def made(name: str) -> PathSelector:
    make = find_selector(name)
    assert make is not None
    return make([])


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_used_refuses_the_table_and_is_named(install: Installer, what: str):
    text, value, reason = REFUSED[what]
    install("broken", text, f"broken = {value}")
    said = f"path selector 'broken' of broken-selector 1.0 ({value}): {reason}"
    with pytest.raises(TableError) as caught:
        make_multipath(World(), selector="broken 0")
    assert str(caught.value).startswith(f"254:0: multipath: {said}")
    if not reason.startswith("add_path"):
        with pytest.raises(SelectorError) as found:
            made("broken")
        assert str(found.value).startswith(said)


def test_a_name_that_two_packages_offer_is_nobodys(install: Installer):
    text = f"{BASE}class One(PathSelector):\n    def __init__(self, words): super().__init__()\n"
    install("one", text, "same = one:One")
    install("two", text, "same = two:One")
    plugins.offer()
    with pytest.raises(SelectorError, match="path selector 'same' is offered by several: ") as caught:
        find_selector("same")
    assert "one-selector 1.0 (one:One)" in str(caught.value) and "two-selector 1.0 (two:One)" in str(caught.value)


def test_a_built_in_one_is_never_replaced(install: Installer):
    install("thief", "1 / 0\n", "round-robin = thief:Thief")
    assert make_multipath(World(), selector="round-robin 0").letters() == "AA"


def test_without_such_a_package_the_kernels_words_remain():
    plugins.offer()
    with pytest.raises(TableError, match=": unknown path selector type"):
        make_multipath(World(), selector="quickest 0")


@pytest.mark.usefixtures("quickest")
def test_those_that_could_be_loaded_are_named_with_the_others():
    plugins.offer()
    assert "quickest" in selector_names() and "round-robin" in selector_names()
    options = ServeOptions([parse_path_uri("ram:")], [], selector="dice 0")
    with pytest.raises(OptionError, match=r"there are .*quickest"):
        build_table(options, ["259:0"], 2048)


def test_a_broken_one_is_said_before_anything_is_served(install: Installer, socket_dir: Path):
    install("broken", "1 / 0\n", "broken = broken:Broken")
    listen = f"nbd+unix:///d?socket={socket_dir}/s"
    done = run(serve_command(["ram:?size=1M"], [listen], "--selector", "broken 0"), check=False)
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert (
        "selector 'broken 0': path selector 'broken' of broken-selector 1.0 (broken:Broken): cannot be loaded" in line
    )


def clumsy(method: str, body: str) -> str:
    """A selector with a mistake in one method, which the third call makes."""
    return (
        f"{BASE}class Clumsy(PathSelector):\n"
        "    def __init__(self, words):\n        super().__init__()\n        self.calls = 0\n        self.info_args = 1\n"
        "    def select(self, size):\n        return self.valid[0] if self.valid else None\n"
        "    def info_words(self, path):\n        return '7'\n"
        f"    def {method}:\n        self.calls += 1\n        if self.calls == 3:\n            {body}\n"
        + ("        return self.valid[0] if self.valid else None\n" if method.startswith("select") else "")
    )


MISTAKES = {
    "select(self, size)": ("1 / 0", "select: ZeroDivisionError: division by zero"),
    "select(self, size) ": ("return self.failed[0]", "select: 259:1 is not to be used"),
    "select(self, size)  ": ("return None", "select: no path"),
    "select(self, size)   ": ("return 'a path'", "select: "),
    "start_io(self, path, size)": ("path.nothing", "start_io: AttributeError: "),
    "end_io(self, path, size, start_ns)": ("raise KeyError(1)", "end_io: KeyError: 1"),
}


@pytest.mark.parametrize("mode", ["rq", "bio"])
@pytest.mark.parametrize("method", MISTAKES)
def test_a_mistake_costs_no_io_and_is_told_once(install: Installer, method: str, mode: str):
    body, reason = MISTAKES[method]
    install("clumsy", clumsy(method.strip(), body), "clumsy = clumsy:Clumsy")
    rig: Rig = make_multipath(World(), paths=3, mode=mode, selector="clumsy 0")
    rig.message("fail_path 259:1")
    for _ in range(8):
        rig.client.submit([Bio(READ, 0, 4096, rig.client)])
        rig.world.run()
    assert [bio.status for bio in rig.client.done] == [OK] * 8
    told = [text for _, text in rig.world.log.lines if "path selector" in text]
    assert len(told) == 1
    assert told[0].startswith(f"path selector 'clumsy' of clumsy-selector 1.0 (clumsy:Clumsy): {reason}")
    assert told[0].endswith("; its paths take turns from now on")
    counts = [len(path.driver.sent) for path in rig.paths]
    assert counts[1] == 0 and min(counts[0], counts[2]) >= 2
    assert " 259:0 A 0 7 259:1 F 1 7 259:2 A 0 7" in rig.status()
    rig.message("reinstate_path 259:1")
    rig.client.submit([Bio(READ, 0, 4096, rig.client) for _ in range(3)])
    rig.world.run()
    assert rig.letters() == "AAA" and len(rig.paths[1].driver.sent) >= 1
