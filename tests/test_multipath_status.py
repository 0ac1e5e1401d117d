"""tests.support.multipath_status: status lines of the kernel, word by word."""

import pytest

from tests.support.multipath_status import parse_status

# As transcripts of Linux 6.12 have them: queue-length and service-time.
QUEUE_LENGTH = "mpatha: 0 2048 multipath 2 0 0 0 2 2 D 0 2 1 253:1 A 0 0 253:2 F 1 0 A 0 1 1 253:3 A 2 4 \n"
SERVICE_TIME = "mpatha: 0 2048 multipath 2 1 3 0 1 1 E 0 2 2 253:1 A 0 0 1 253:2 A 0 4096 2 \n"


def test_every_word_is_found():
    status = parse_status(QUEUE_LENGTH)
    assert (status.queue_io, status.pg_init_count, status.group) == (0, 0, 2)
    assert status.letters() == "DA" and status.states() == "AFA" and status.failures() == [0, 1, 2]
    assert [path.number for path in status.groups[1].paths] == ["253:3"]
    assert status.groups[1].paths[0].words == ("4",)


def test_selectors_have_as_many_words_as_they_say():
    status = parse_status(SERVICE_TIME)
    assert (status.queue_io, status.pg_init_count) == (1, 3)
    assert [path.words for path in status.paths()] == [("0", "1"), ("4096", "2")]


def test_a_map_may_have_no_path():
    status = parse_status("mpatha: 0 2048 multipath 2 0 0 0 0 0 \n")
    assert status.groups == () and status.group == 0 and status.states() == ""


@pytest.mark.parametrize(
    "line",
    [
        "mpathb" + QUEUE_LENGTH[6:],
        QUEUE_LENGTH + "1",
        QUEUE_LENGTH.rsplit(maxsplit=1)[0],
        QUEUE_LENGTH.replace(" D ", " X "),
        QUEUE_LENGTH.replace(" F ", " B "),
        QUEUE_LENGTH.replace("0 2 2 D", "0 2 3 D"),
        "mpatha: 0 2048 error \n",
    ],
)
def test_anything_else_is_none(line):
    with pytest.raises((AssertionError, ValueError)):
        parse_status(line)
