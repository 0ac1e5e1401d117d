"""`hawser dm --batch` as people type it, and the program under the name of dmsetup."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.support.gateway import Gateway

from hawser.cli.entry import entry
from hawser.cli.main import main

ENTRY = "from hawser.cli.entry import entry; entry()"
GOOD = "create a --table '0 8 zero'\nls\n"


def batch(*options: str, text: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["dm", "--batch", "-", *options], input=text)
    return result.exit_code, result.stdout, result.stderr


def test_a_batch_prints_what_dmsetup_prints() -> None:
    assert batch(text=GOOD) == (0, "a\t(254:0)\n", "")
    assert batch("--echo", text=GOOD) == (0, "# create a --table '0 8 zero'\n# ls\na\t(254:0)\n", "")
    assert batch("--disk", "d0 ram size=1M", text="create a --table '0 8 linear /dev/d0 0'\ntable\n")[1] == (
        "a: 0 8 linear 1:0 0\n"
    )


def test_what_fails_ends_a_batch_and_is_named_with_its_line() -> None:
    text = "\ncreate a --table '0 8 nosuch'\nls\n"
    status, out, err = batch(text=text)
    assert (status, out) == (1, "")
    assert err.splitlines() == [
        "stdin:2: device-mapper: reload ioctl on a (254:0) failed: Invalid argument",
        "stdin:2: Command failed.",
        "stdin:2: device-mapper: table: 254:0: nosuch: unknown target type",
        "stdin:2: device-mapper: ioctl: error adding target to table",
    ]
    assert batch("--keep-going", text=text)[:2] == (1, "No devices found\n")
    assert batch(text=text.replace("create", "- create"))[:2] == (0, "No devices found\n")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("sleep x", "sleep: 'x' is no number of seconds"),
        ("sleep", "sleep: want sleep SECONDS"),
        ("bg a sleep x", "sleep: 'x' is no number of seconds"),
        ("io", "io: want io read|write|mix DEVICE [NAME=VALUE...]"),
        ("io read /dev/d0 count", "io: 'count' is not NAME=VALUE"),
        ("io read /dev/d0 count=x", "io: count=x: is no number"),
        ("io read /dev/d0 bs=4q", "io: bs=4q: is no size, such as 4096, 0x1000, 4k or 1m"),
        ("io read /dev/d0 order=x", "io: order=x: is none of seq, rand, rev, interleaveN"),
        ("io read /dev/d0 nosuch=1", "io: nosuch: there is no such option; there are batch, bs,"),
        ("io read /dev/nosuch", "open: ENOENT"),
        ("blk discard /dev/d0", "blk: want blk flush|size|ro DEVICE | blk discard|zeroout DEVICE OFFSET LENGTH"),
        ("blk discard /dev/d0 x 1", "blk: 'x' is no size"),
        ("hold /dev/nosuch 1", "ENOENT"),
        ("hold /dev/d0", "hold: want hold DEVICE SECONDS [excl]"),
        ("sysfs", "sysfs: want sysfs get PATH... | sysfs set PATH VALUE"),
        ("iostat x", "iostat: want iostat snap|delta NAME..."),
        ("iostat delta /dev/d0", "iostat: cannot be run: no iostat snap was taken of '/dev/d0'"),
    ],
)
def test_a_command_that_is_none_is_told_in_words_with_its_line(command: str, said: str) -> None:
    status, out, err = batch("--disk", "d0 ram size=1M", text=f"ls\n{command}\n")
    assert (status, out) == (1, "No devices found\n")
    (line,) = err.splitlines()
    assert line.startswith(f"stdin:2: {said}")


def test_what_a_command_in_the_background_complains_of_has_its_line_too() -> None:
    status, out, err = batch(text="bg w wait nosuch\njoin w\n")
    assert (status, out) == (1, "")
    assert len(err.splitlines()) == 2 and all(line.startswith("stdin:2: ") for line in err.splitlines())
    # Who says that it may fail wants to see what it prints.
    assert batch(text="- io read /dev/nosuch\n")[:2] == (0, "open: ENOENT\n")


def test_a_batch_that_cannot_be_read_is_not_begun(tmp_path: Path) -> None:
    assert batch(text="ls\nls 'x\n") == (2, "", "stdin:2: the quote ' that begins here has no end\n")
    assert batch("--disk", "d0", text="ls\n")[0] == 2
    assert batch("--disk", "'", text="ls\n")[0] == 2
    missing = CliRunner().invoke(main, ["dm", "--batch", str(tmp_path / "nosuch")])
    assert (missing.exit_code, "cannot be read" in missing.stderr) == (2, True)
    assert CliRunner().invoke(main, ["dm", "--batch", "-", "ls"]).exit_code == 1
    assert CliRunner().invoke(main, ["dm", "--echo", "ls"]).exit_code == 1
    alone = CliRunner().invoke(main, ["dm", "--parameter", "dm_multipath.semantics=6.16", "ls"])
    assert (alone.exit_code, "belong to --batch" in alone.stderr) == (1, True)


def test_a_batch_has_the_parameters_that_it_is_given() -> None:
    six = ("--parameter", "dm_multipath.semantics=6.16")
    assert "multipath        v1.14.0\n" in batch(text="targets\n")[1]
    assert "multipath        v1.15.0\n" in batch(*six, text="targets\n")[1]
    several = (*six, "--parameter", "dm_multipath.semantics=6.12")
    assert "multipath        v1.14.0\n" in batch(*several, text="targets\n")[1]


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        ("dm_multipath.semantics=6.13", "dm_multipath.semantics=6.13: is none of 6.12, 6.16"),
        ("dm_multipath.semantics", "'dm_multipath.semantics' is not NAME=VALUE"),
        ("dm_mod.nosuch=1", "there is no parameter 'dm_mod.nosuch'"),
        ("dm_multipath.queue_if_no_path_timeout_secs=-1", "is not a number of seconds"),
    ],
)
def test_a_parameter_that_there_is_not_ends_a_batch_before_it_begins(parameter: str, said: str) -> None:
    status, out, err = batch("--parameter", "dm_multipath.semantics=6.16", "--parameter", parameter, text=GOOD)
    assert (status, out) == (2, "")
    assert err.startswith("hawser dm --parameter: ")
    assert said in err


def test_the_example_of_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    example = "    disk sda" + readme.partition("    disk sda")[2].partition("\n\n")[0]
    status, out, err = batch(text=textwrap.dedent(example))
    assert status == 0, err
    assert out == "ok=16\nok=16\n0 131072 multipath 2 0 0 0 1 1 A 0 2 0 8:0 F 1 8:16 A 0 \n"
    assert "Expected 2 arguments, got 1" in err


def test_a_batch_has_tables_from_files(tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.write_text("0 8 zero\n")
    file = tmp_path / "commands"
    file.write_text(f"create a {table}\ntable\ncreate b {table}.not\n")
    done = CliRunner().invoke(main, ["dm", "--batch", str(file)])
    assert (done.exit_code, done.stdout) == (1, "a: 0 8 zero \n")
    assert done.stderr.splitlines()[0] == f"{file}:3: Couldn't open '{table}.not' for reading."


def test_a_link_named_dmsetup_is_dmsetup(fleet) -> None:
    gateway: Gateway = fleet.serve(["ram:?size=1M"])
    control = str(gateway.control)
    program = fleet.directory / "hawser"
    program.write_text(f"#!{sys.executable}\n{ENTRY}\n")
    program.chmod(0o700)
    link = fleet.directory / "dmsetup"
    link.symlink_to(program)
    environment = {**os.environ, "HAWSER_CONTROL": control}
    done = subprocess.run(
        [link, "-j254", "-m0", "ls", "--exec", "echo x"], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "x /dev/mapper/mpatha\n", "")
    # The same by its other name.
    table = fleet.directory / "table"
    table.write_text("0 8 zero\n")

    def dm(*words: str, text: str = "") -> tuple[int, str, str]:
        result = CliRunner().invoke(main, ["dm", *words], input=text, env={"HAWSER_CONTROL": control})
        return result.exit_code, result.stdout, result.stderr

    assert dm("create", "a", text="0 8 zero\n8 8 error\n") == (0, "", "")
    assert dm("create", "b", str(table)) == (0, "", "")
    assert dm("-j", "254", "-m", "1", "table") == (0, "0 8 zero \n8 8 error \n", "")
    assert dm("load", "-u", "nosuch", str(table))[2].startswith("device-mapper: reload ioctl on  nosuch failed")
    assert dm("info", "-c", "--noheadings", "-o", "name", "-S", "segments=2") == (0, "a\n", "")
    missing = f"Couldn't open '{table}.not' for reading.\nCommand failed.\n"
    assert dm("load", "b", f"{table}.not") == (1, "", missing)
    assert dm("--zzz") == (1, "", "dmsetup: unrecognized option '--zzz'\nCouldn't process command line.\n")
    assert dm("udevcomplete_all", text="y\n")[1].endswith("destroyed. 0 skipped.\n")
    assert dm("--control", f"{control}.not", "ls")[0] == 1
    gateway.assert_no_traceback()


def test_dmsetup_has_to_know_where_the_server_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HAWSER_CONTROL", raising=False)
    monkeypatch.setattr(sys, "argv", ["/usr/local/sbin/dmsetup", "ls"])
    with pytest.raises(SystemExit):
        entry()
    assert "HAWSER_CONTROL" in capsys.readouterr().err
