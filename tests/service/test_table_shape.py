"""Multipath lines that get another path, or lose one."""

import pytest

from hawser.service.table_shape import parse_shape

LINE = (
    "3 queue_if_no_path queue_mode bio 0 3 2 service-time 0 2 2 8:0 1 1 8:16 1 9 round-robin 0 1 1 8:32 1 "
    "queue-length 0 1 1 8:48 1"
)
BARE = "0 1 alua 0 0"


@pytest.mark.parametrize(
    "line", [LINE, BARE, "5 pg_init_retries 3 retain_attached_hw_handler queue_mode bio 0 1 1 x 2 a b 1 0 8:0"]
)
def test_what_was_taken_apart_is_put_together_again(line: str) -> None:
    assert parse_shape(line + " ").text() == line


def test_a_path_is_added_with_the_words_of_its_neighbours() -> None:
    shape = parse_shape(LINE)
    shape.add("9:1", 4, 1)
    assert [path.words for path in shape.groups[0].paths] == [["1", "1"], ["1", "9"], ["1", "4"]]
    shape.add("9:2", 4, 4)
    assert (len(shape.groups), shape.groups[3].selector, shape.groups[3].paths[0].words) == (
        4,
        ["queue-length", "0"],
        ["1"],
    )
    assert shape.initial == 2


@pytest.mark.parametrize(
    ("gone", "groups", "initial"),
    [
        (["8:0"], 3, 2),
        (["8:0", "8:16"], 2, 1),
        (["8:32"], 2, 1),
        (["8:48"], 2, 2),
        (["8:32", "8:48"], 1, 1),
        (["8:0", "8:16", "8:32", "8:48"], 0, 0),
    ],
)
def test_groups_without_paths_go_and_the_first_one_stays_first(gone: list[str], groups: int, initial: int) -> None:
    shape = parse_shape(LINE)
    for devt in gone:
        shape.remove(devt)
    assert (len(shape.groups), shape.initial) == (groups, initial)
    assert not {path.devt for path in shape.paths()} & set(gone)


def test_a_path_is_replaced_where_it_stands() -> None:
    shape = parse_shape(LINE)
    shape.replace("8:16", "9:1", 3)
    assert shape.text() == LINE.replace("8:16 1 9", "9:1 1 3")
    shape.replace("8:48", "9:2", 3)
    assert shape.text().endswith("queue-length 0 1 1 9:2 1")
