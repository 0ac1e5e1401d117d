"""Rows, their keys, and the words of the command line."""

import pytest
from bench.cases import CASES, CONNECTIONS, GROUPS, parse_size, parse_words, select_rows
from bench.race import rotated


def test_every_case_meets_every_number_of_connections():
    assert len(select_rows("file", "")) == len(CASES) * len(CONNECTIONS)


def test_rows_are_chosen_by_their_key():
    assert [row.key for row in select_rows("proxy", r"qd1/c4")] == ["proxy/randread-4k-qd1/c4"]
    assert select_rows("proxy", "^file/") == []


@pytest.mark.parametrize(("text", "size_bytes"), [("1G", 1 << 30), ("512m", 512 << 20), ("8K", 8192), ("7", 7)])
def test_sizes(text, size_bytes):
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "1T", "-1G", "1.5G"])
def test_a_size_that_is_none_is_quoted(text):
    with pytest.raises(ValueError, match="want a number"):
        parse_size(text)


def test_words_keep_the_order_of_the_known():
    assert parse_words("engine, file", GROUPS) == ("file", "engine")


def test_an_unknown_word_is_named():
    with pytest.raises(ValueError, match="'files': want some of file,proxy,engine"):
        parse_words("files", GROUPS)


def test_the_order_rotates_and_turns():
    orders = ["".join(rotated("abc", number)) for number in range(4)]
    assert orders == ["abc", "bac", "cab", "acb"]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_everyone_is_first_sometime(count):
    assert {rotated(range(count), number)[0] for number in range(count)} == set(range(count))
