"""Command lines as getopt_long(3) reads them, and tables as dmsetup does."""

import pytest

from hawser.dm.dmsetup.arguments import UsageError, parse_arguments
from hawser.dm.dmsetup.names import unmangle
from hawser.dm.dmsetup.table_text import TableTextError, parse_table, split_words
from hawser.dm.dmsetup.task import mangled
from hawser.dm.table import TableLine


def test_options_may_stand_anywhere_and_be_cut_short() -> None:
    found = parse_arguments(["create", "--noudevs", "mp", "--tab", "0 8 zero", "-u", "U", "--noflu", "x"])
    assert found.words == ["create", "mp", "x"]
    assert (found.value("table"), found.value("uuid")) == ("0 8 zero", "U")
    assert found.has("noflush")
    assert not found.has("deferred")


def test_short_options_may_be_joined_and_end_with_their_argument() -> None:
    found = parse_arguments(["-cvo", "name,attr", "info", "-j254", "-m", "3"])
    assert found.words == ["info"]
    assert found.value("options") == "name,attr"
    assert (found.number("major"), found.number("minor")) == (254, 3)


def test_two_dashes_end_the_options() -> None:
    assert parse_arguments(["message", "mp", "0", "--", "-x"]).words == ["message", "mp", "0", "-x"]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--zzz"], "dmsetup: unrecognized option '--zzz'"),
        (["-Z"], "dmsetup: invalid option -- 'Z'"),
        (["-o"], "dmsetup: option requires an argument -- 'o'"),
        (["--table"], "dmsetup: option '--table' requires an argument"),
        (["--force=1"], "dmsetup: option '--force' doesn't allow an argument"),
        (["--nof", "--no"], "dmsetup: option '--no' is ambiguous; possibilities: '--nogroup' '--noflush'"),
    ],
)
def test_complaints_are_glibcs(argv: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_arguments(argv)
    assert str(caught.value).startswith(said)


def test_a_table_is_read_line_by_line() -> None:
    text = "# a comment\n\n 0 8 linear 1:0 0\n8 8 zero\n"
    assert parse_table(text, "") == [TableLine(0, 8, "linear", ["1:0", "0"]), TableLine(8, 8, "zero", [])]


def test_numbers_wrap_or_saturate_as_scanf_has_it() -> None:
    assert parse_table("-1 99999999999999999999999 zero", "")[0] == TableLine((1 << 64) - 1, (1 << 64) - 1, "zero", [])
    assert parse_table("0 " + "9" * 5000 + " zero", "")[0].length == (1 << 64) - 1


@pytest.mark.parametrize("text", ["0 8", "x 8 zero", "0 zero 8", "nonsense"])
def test_a_line_that_cannot_be_read(text: str) -> None:
    with pytest.raises(TableTextError, match=r"Invalid format on line 1 of table on stdin\."):
        parse_table(text, "on stdin")


def test_words_of_a_table_keep_their_backslashes_and_what_is_white_only_elsewhere() -> None:
    """As Linux 6.12 was seen to have them: libdm doubles backslashes, and the kernel's white space is that of Latin-1's bytes."""
    words = parse_table("0 8 x 254\\:0 a\u2003b \x1c c\xa0d \x85\n", "on command line")[0].words
    assert words == ["254\\:0", "a\u2003b", "\x1c", "c\udcc2", "d", "\x85"]


def test_a_backslash_takes_the_next_character_as_it_is() -> None:
    assert split_words(r"a\ b  c \\ d\#") == ["a b", "c", "\\", "d#"]


def test_names_are_mangled_for_the_kernel_and_back() -> None:
    assert mangled("a b") == r"a\x20b"
    assert mangled(r"a\x20b") == r"a\x20b"
    assert unmangle(r"a\x20b") == "a b"


def test_backslashes_of_a_table_stay() -> None:
    """Libdm doubles them, and the kernel takes one of two away."""
    assert parse_table("0 8 linear 1\\:1 a\\ b\n", "")[0].words == ["1\\:1", "a\\", "b"]
