"""Verbs beside tables and reports: geometry, udev's cookies, programs that are run for devices, trees, help."""

import pytest
from tests.dm.dmsetup.shell import TABLE, Shell


@pytest.mark.parametrize(
    ("words", "log"),
    [
        ("10 255 63 0", ""),
        ("1 1 1 1", ""),
        ("1 1 1 2", "core: Start sector is beyond the geometry limits."),
        ("65536 1 1 0", "ioctl: Geometry exceeds range limits."),
        ("1 256 1 0", "ioctl: Geometry exceeds range limits."),
        ("-1 1 1 0", "ioctl: Geometry exceeds range limits."),
        ("1 a 1 0", "ioctl: Unable to interpret geometry settings."),
        ("1 1 1 0x", "ioctl: Unable to interpret geometry settings."),
    ],
)
def test_geometry(words: str, log: str) -> None:
    shell = Shell()
    rc, out, err = shell.say("setgeometry", "--", "mp", *words.split())
    refusal = "device-mapper: setgeometry ioctl on mp  failed: Invalid argument\nCommand failed.\n"
    assert (rc, out, err) == ((1, "", refusal) if log else (0, "", ""))
    assert shell.device.geometry == ((0, 0, 0, 0) if log else tuple(int(word) for word in words.split()))
    assert (log in [line for _, line in shell.world.log.lines]) == bool(log)


def test_geometry_goes_with_the_size() -> None:
    shell = Shell()
    shell.say("setgeometry", "mp", "1", "1", "1", "0")
    shell.say("load", "mp", "--table", TABLE)
    shell.say("resume", "mp")
    assert shell.device.geometry == (1, 1, 1, 0)
    shell.say("load", "mp", "--table", TABLE.replace("2048", "1024"))
    shell.say("resume", "mp")
    assert shell.device.geometry == (0, 0, 0, 0)
    assert shell.say("setgeometry", "nosuch", "1", "1", "1", "0")[2].startswith(
        "device-mapper: setgeometry ioctl on nosuch"
    )


@pytest.mark.parametrize(
    ("words", "rc", "said"),
    [
        ("udevflags 0x10001", 0, "DM_UDEV_DISABLE_DM_RULES_FLAG='1'\n"),
        ("udevflags 0x81000000", 0, "DM_SUBSYSTEM_UDEV_FLAG0='1'\nDM_SUBSYSTEM_UDEV_FLAG7='1'\n"),
        ("udevflags 0x800000", 0, "DM_UDEV_FLAG7='1'\n"),
        ("udevflags 0", 1, "Incorrect cookie value.\nCommand failed.\n"),
        ("udevflags 08", 1, "Incorrect cookie value.\nCommand failed.\n"),
        ("udevflags 4294967296", 1, "Incorrect cookie value.\nCommand failed.\n"),
        ("udevcomplete 0xd4d1234", 0, "DM_COOKIE_COMPLETED=0xd4d1234   \n"),
        ("udevreleasecookie", 1, "No udev transaction cookie given.\nCommand failed.\n"),
        ("udevreleasecookie 1", 0, ""),
        ("udevcreatecookie", 0, ""),
        ("udevcomplete_all -y", 0, "0 semaphores with keys prefixed by 3405 (0xd4d) destroyed. 0 skipped.\n"),
        ("udevcomplete_all -y x", 1, "Failed to read age_in_minutes parameter.\nCommand failed.\n"),
        ("info mp --mode 9", 1, "Invalid argument for --mode: 9. \nCouldn't process command line.\n"),
        ("info mp --count -1", 1, "Count must be zero or greater.\nCouldn't process command line.\n"),
        ("info mp --manglename x", 1, "Unknown name mangling mode.\nCouldn't process command line.\n"),
        ("info mp --units x", 1, "Invalid --units argument.\n"),
    ],
)
def test_cookies_and_arguments_of_options(words: str, rc: int, said: str) -> None:
    done, out, err = Shell().say(*words.split())
    assert (done, out + err) == (rc, said)


def test_all_cookies_are_only_taken_away_when_somebody_says_so() -> None:
    shell = Shell()
    rc, out, err = shell.say("udevcomplete_all")
    assert (rc, out.splitlines()[-1]) == (0, "Semaphores with keys prefixed by 3405 (0xd4d) NOT destroyed.")
    assert err.startswith("WARNING: ")


def test_programs_are_asked_for_once_for_each_device() -> None:
    shell = Shell()
    shell.say("create", "z", "--table", "0 8 zero")
    for words, programs in (
        (["ls", "--exec", "echo  a b"], [["echo", "a", "b", f"/dev/mapper/{name}"] for name in ("mp", "z")]),
        (["ls", "--target", "zero", "--exec", "echo"], [["echo", "/dev/mapper/z"]]),
        (["table", "mp", "--exec", "echo"], [["echo", "/dev/mapper/mp"]]),
        (["status", "--target", "nosuch", "--exec", "echo"], []),
    ):
        run, answer = shell.begin(*words)
        for _ in run:
            pass
        assert (answer.rc, answer.stdout, answer.programs) == (0, "", programs)
    assert shell.say("ls", "--exec", "")[0] == 1
    assert shell.say("ls", "--exec", "x " * 256)[2] == "Too many args to --exec.\n" * 2 + "Command failed.\n"


def test_a_tree_is_cut_at_eighty_columns() -> None:
    shell = Shell()
    name = "n" * 90
    shell.say("create", name, "--table", "0 8 linear 254:0 0")
    lines = shell.say("ls", "--tree")[1].splitlines()
    assert lines[0] == "n" * 79 + "..."
    assert lines[1:] == [" `-mp (254:0)", "    `- (259:0)"]
    assert shell.say("ls", "--tree", "-o", "notrunc")[1].splitlines()[0] == f"{name} (254:1)"


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ("compact", ["top (254:1)-+-mp (254:0)--- (259:0)", "            `-z (254:2)"]),
        ("nodevice,compact", ["top-+-mp---z"]),
        ("inverted", [" (259:0)", " `-mp (254:0)", "    `-top (254:1)", "z (254:2)", " `-top (254:1)"]),
        ("utf,nodevice,b", ["top <dm-1>", " ├─mp <dm-0>", " │  └─ <d0>", " └─z <dm-2>"]),
        ("vt100", ["top (254:1)", " \x1b(0\x0ftq\x1b(Bmp (254:0)", " \x1b(0\x0fx\x1b(B  \x1b(0\x0fmq\x1b(B (259:0)"]),
        (
            "compact,active",
            ["top (254:1) [ACTIVE]", " |-mp (254:0) [ACTIVE]", " |  `- (259:0)", " `-z (254:2) [ACTIVE]"],
        ),
    ],
)
def test_how_trees_are_drawn(options: str, lines: list[str]) -> None:
    shell = Shell()
    shell.say("create", "z", "-j", "254", "-m", "2", "--table", "0 8 zero")
    shell.say("create", "top", "--table", "0 8 linear 254:2 0\n8 8 linear 254:0 0")
    said = shell.say("ls", "--tree", "-o", options)[1].splitlines()
    assert said[: len(lines)] == lines


def test_help_says_how_it_is_used_and_which_fields_there_are() -> None:
    shell = Shell()
    rc, out, err = shell.say("help", "-c")
    assert (rc, out) == (0, "")
    assert "setgeometry DEVICE" in err
    assert "  devnos_using_dev" in err
    assert shell.say("--help", "nosuch")[0] == 0
    assert shell.say("help", "x")[0] == 1
    assert shell.say("ls", "-o", "dev,zz,x")[2] == "Option not recognised: zz,x.\nCouldn't process command line.\n"
    assert shell.say("ls", "--tree", "-o", "c,zz,x")[2].startswith("Tree options not recognised: zz,x.\n")


def test_fields_are_listed_with_their_types_where_they_are_selected_by() -> None:
    shell = Shell()
    columns, selection = (shell.say("info", "-c", option, "help")[2] for option in ("-o", "-S"))
    assert "info_all" in columns
    assert "[" not in columns
    assert "info_all" not in selection
    assert "minor number [number]\n" in selection
    assert "what it is called [string]\n" in selection
    assert "this list [unselectable number]\n" in selection
