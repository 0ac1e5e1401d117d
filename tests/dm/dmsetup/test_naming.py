"""What devices are called in what is printed: as they were named. Recorded in dmsetup-names.jsonl."""

import pytest
from tests.dm.dmsetup.shell import Shell

A, B = "/dev/mapper/a", "/dev/mapper/b"
SAID = 'The name "c d" should be mangled but it contains blacklisted characters.\nCommand failed.\n'


class Paths(Shell):
    """With `a`, and `b` with a uuid."""

    def __init__(self) -> None:
        super().__init__()
        self.say("remove", "mp")
        self.say("create", "a", "--table", "0 8 zero")
        self.say("create", "b", "--table", "0 8 linear 259:0 0\n8 8 error", "-u", "UU-b")


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (f"status {A}", "0 8 zero \n"),
        (f"status {A} {B}", f"{A}: 0 8 zero \n{B}: 0 8 linear \n{B}: 8 8 error \n"),
        (f"status a {B}", f"a: 0 8 zero \n{B}: 0 8 linear \n{B}: 8 8 error \n"),
        (f"table --target error {A} {B}", f"{B}: 8 8 error \n"),
        (f"measure {A} a", f"{A}: 0 8 zero \na: 0 8 zero \n"),
        (f"deps {A} {B}", f"{A}: 0 dependencies\t:\n{B}: 1 dependencies\t: (259, 0)\n"),
        (f"table --concise {A} {B}", f"{A},,0,rw,0 8 zero ;{B},UU-b,1,rw,0 8 linear 259:0 0,8 8 error \n"),
        ("table --concise -u UU-b", "b,UU-b,1,rw,0 8 linear 259:0 0,8 8 error \n"),
        # Who is selected is shown by its name.
        (f"status -S name=b {A} {B}", "b: 0 8 linear \nb: 8 8 error \n"),
        (f"deps -S name=a {A}", "a: 0 dependencies\t:\n"),
    ],
)
def test_lines_say_of_which_device_they_are_in_their_users_words(words: str, printed: str) -> None:
    assert Paths().say(*words.split()) == (0, printed, "")


def test_a_path_is_that_of_a_map_in_the_folder_of_maps_and_nowhere_else() -> None:
    """There need not be any node: to whoever asks a server there is none."""
    shell = Paths()
    for path, found in (
        (B, True),
        ("mapper/b", True),
        ("/dev/mapper/nosuch", False),
        ("/tmp/b", False),
        ("/dev/b", False),
        # As long as the right one.
        ("/dev/others/b", False),
    ):
        said = (0, "0 8 linear \n8 8 error \n", "")
        refusal = (1, "", f"Device {path} not found\nCommand failed.\n")
        assert shell.say("status", path) == (said if found else refusal)
    shell.say("rename", "b", "c d")
    assert shell.say("status", "/dev/mapper/c\\x20d")[0] == 0


def test_a_name_that_is_mangled_already_stays_as_it_was_given() -> None:
    shell = Paths()
    shell.say("rename", "b", "c d")
    assert shell.say("status", "c d", "c\\x20d")[1].splitlines()[1:3] == ["c d: 8 8 error ", "c\\x20d: 0 8 linear "]


def test_a_program_gets_the_node_of_what_was_named() -> None:
    shell = Paths()
    for word, node in ((A, f"/dev/mapper/{A}"), ("a", A)):
        run, answer = shell.begin("status", "--exec", "echo", word)
        assert list(run) == []
        assert answer.programs == [["echo", node]]


def test_a_path_is_never_the_name_that_a_device_should_have() -> None:
    shell = Paths()
    rc, out, err = shell.say("mangle", A)
    assert (rc, out) == (1, f"{A}: renaming to a\n")
    assert err.startswith("device-mapper: rename ioctl on a  failed: Device or resource busy\n")
    assert shell.say("mangle", "a", "b")[1].count("already in correct form") == 2


@pytest.mark.parametrize("verb", ["status", "table", "measure", "deps", "info"])
@pytest.mark.parametrize("which", ["-u UU-b", "-j 254 -m 1", "-S name=~. -u UU-b"])
def test_a_device_whose_name_cannot_be_shown_is_not_shown(verb: str, which: str) -> None:
    shell = Paths()
    assert shell.say("rename", "--manglename", "none", "b", "c d") == (0, "", "")
    assert shell.say(verb, *which.split()) == (1, "", SAID)
    assert shell.say(verb, "--manglename", "none", *which.split())[0] == 0


def test_nor_is_anything_done_to_it_by_a_selection() -> None:
    shell = Paths()
    shell.say("rename", "--manglename", "none", "b", "c d")
    assert shell.say("suspend", "-S", "name=~.", "-u", "UU-b") == (1, "", SAID)
    assert [device.is_suspended() for device in shell.world.registry.all_mapped()] == [False, False]
