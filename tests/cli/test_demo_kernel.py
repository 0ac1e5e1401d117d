"""`hawser demo kernel`: one script on Linux and on hawser, and the sign that flips; any difference is an error."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from hawser.cli.demo_kernel import HAWSER_FILE, LINUX_FILE, Sides, life, run_kernel_demo
from hawser.cli.main import main
from hawser.lab.model.service_time_int32 import NAME as INT32
from hawser.lab.recordings import commands, script

README = Path(__file__).parents[2] / "README.md"
HEADING = "### For a kernel developer"
VERBS = ("create", "table", "status", "message", "suspend", "load", "resume", "info", "rename", "remove")


class Told:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, text: str) -> None:
        self.lines += text.split("\n")


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, list[str], Path]:
    folder = tmp_path_factory.mktemp("demo") / "kept"
    done = CliRunner().invoke(main, ["demo", "kernel", "--into", str(folder)])
    assert done.stderr == ""
    return done.exit_code, done.stdout.splitlines(), folder


def test_both_sides_say_the_same_and_diff_prints_nothing(printed: tuple[int, list[str], Path]):
    status, lines, folder = printed
    assert status == 0
    place = lines.index("    $ diff -u linux.txt hawser.txt")
    assert lines[place + 1 : place + 3] == ["    $ echo $?", "    0"]
    linux, ours = ((folder / name).read_text() for name in (LINUX_FILE, HAWSER_FILE))
    assert linux == ours
    assert f"    {len(linux.splitlines())} linux.txt" in lines
    assert not any(line.startswith("    linux  |") for line in lines[:place])
    # Every command of the script, with what was said.
    asked = [line for line in linux.splitlines() if line.startswith("$ ")]
    assert len(asked) == len(commands(script("life"))) > 60
    for verb in VERBS:
        assert any(line.startswith(f"$ dmsetup {verb} ") for line in asked), verb
    assert "[log] device-mapper: multipath: 254:4: Failing path 254:1." in linux


def test_the_flip_is_found_shrunk_and_was_asked_of_the_kernel(printed: tuple[int, list[str], Path]):
    _, lines, _ = printed
    text = "\n".join(lines)
    assert "    weight 1: 21 I/Os, 21,471,232 bytes\n" in text
    assert "  On Linux the read took the slow path, on hawser the fast one." in lines
    rows = [line.split()[-3:] for line in lines if re.match(r" +[\d,]+ +\d+\.\d\d +[\d,]+ +\d+\.\d{6} ", line)]
    assert len(rows) == 18
    assert [row[0] for row in rows] == [row[1] for row in rows]
    assert {row[2] for row in rows} == {"fast"}
    assert {row[0] for row in rows} == {"fast", "slow"}


def test_a_difference_is_shown_and_is_the_status():
    sides = life()
    number = next(place for place, one in enumerate(sides.hawser) if one.words[:2] == ["dmsetup", "status"])
    changed = [*sides.hawser]
    changed[number] = replace(changed[number], lines=["something else"])
    told = Told()
    assert run_kernel_demo(told, None, Sides(sides.linux, changed)) == 1
    assert "    hawser | something else" in told.lines
    assert "    +something else" in told.lines
    place = told.lines.index("    $ echo $?")
    assert told.lines[place + 1] == "    1"


def test_a_flip_of_the_shipped_selector_is_the_status():
    told = Told()
    assert run_kernel_demo(told, None, selector=INT32) == 1
    assert "  On Linux the read took the slow path, on hawser the slow one." in told.lines


def test_the_readme_shows_what_it_prints(printed: tuple[int, list[str], Path]):
    section = README.read_text().split(HEADING)[1].split("\n## ")[0].split("\n### ")[0]
    block = section.split("```")[1].splitlines()[1:]
    shown = [line for line in block if line.strip() != "..." and not line.startswith("  hawser   ")]
    assert len(shown) > 30
    for line in shown:
        assert line.rstrip() in [each.rstrip() for each in printed[1]], line
