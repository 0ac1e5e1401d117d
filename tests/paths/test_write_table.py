"""The table of writes: what is in it is found again by whoever opens the file next, whole or not at all."""

import os
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from hawser.block.ops import DISCARD, WRITE
from hawser.paths import write_table
from hawser.paths.write_table import (
    HEADER_BYTES,
    SESSION_BYTES,
    SESSIONS_MAX,
    SLOTS_MAX,
    TABLE_BYTES,
    TCP,
    UNIX,
    VERSION,
    SessionFacts,
    WriteTable,
    WriteTableError,
    make_table,
)

FACTS = SessionFacts("nbd+unix:///d?socket=/run/ä.sock", UNIX, 3, "boot-1", True, 5, 77, 12345, 4026531836)
SLOTS_AT = HEADER_BYTES + SESSIONS_MAX * SESSION_BYTES


@pytest.fixture
def name(tmp_path: Path) -> str:
    made = str(tmp_path / "writes.table")
    make_table(made)
    return made


def ranges(table: WriteTable) -> list[tuple[int, int, int]]:
    return sorted((slot.op, slot.start, slot.end) for slot in table.slots())


def put(table: WriteTable, session: int, start: int, end: int, op: int = WRITE) -> int:
    assert table.reserve()
    return table.put(session, op, start, end)


def damage(name: str, offset: int, data: bytes) -> None:
    with open(name, "r+b") as file:
        file.seek(offset)
        file.write(data)


def test_a_new_table_is_clean_and_empty_and_has_all_its_blocks(name: str):
    table = WriteTable(name)
    assert table.is_clean() and table.size_sectors() == 0
    assert (table.slots(), table.sessions(), table.broken_sessions()) == ([], {}, [])
    # A hole could turn out to be one too many when it is stored to: SIGBUS.
    assert os.stat(name).st_blocks * 512 >= TABLE_BYTES
    assert os.stat(name).st_mode & 0o077 == 0
    assert os.listdir(os.path.dirname(name)) == ["writes.table"]


def test_what_is_stored_is_found_by_the_next_process_without_a_word_in_between(name: str):
    table = WriteTable(name)
    session = table.add_session(FACTS)
    table.begin(2048, "boot-1", "machine-1")
    put(table, session, 8, 16)
    put(table, session, 0, 2**40, DISCARD)
    gone = put(table, session, 24, 32)
    table.clear(gone)
    table.set_dirty(session, True)
    # The first one is still mapped, as a killed process's never was unmapped.
    other = WriteTable(name)
    assert not other.is_clean()
    assert (other.size_sectors(), other.boot(), other.machine()) == (2048, "boot-1", "machine-1")
    assert other.sessions() == {session: FACTS}
    assert other.is_dirty(session)
    assert ranges(other) == [(WRITE, 8, 16), (DISCARD, 0, 2**40)]


def test_an_end_is_remembered_as_clean_and_keeps_what_there_is(name: str):
    table = WriteTable(name)
    table.begin(2048, "boot-1", "")
    session = table.add_session(FACTS)
    put(table, session, 8, 16)
    table.end()
    other = WriteTable(name)
    assert other.is_clean() and ranges(other) == [(WRITE, 8, 16)]
    other.begin(2048, "boot-2", "")
    again = WriteTable(name)
    assert not again.is_clean() and again.boot() == "boot-2"
    assert ranges(again) == [(WRITE, 8, 16)]


def test_slots_that_are_taken_are_not_given_away_again(name: str):
    table = WriteTable(name)
    session = table.add_session(FACTS)
    put(table, session, 0, 8)
    put(table, session, 8, 16)
    other = WriteTable(name)
    put(other, session, 16, 24)
    assert ranges(other) == [(WRITE, 0, 8), (WRITE, 8, 16), (WRITE, 16, 24)]
    assert other.add_session(FACTS) != session


def test_it_is_full_when_every_slot_is_taken_or_reserved(name: str):
    table = WriteTable(name)
    session = table.add_session(FACTS)
    slots = [put(table, session, number, number + 1) for number in range(SLOTS_MAX - 1)]
    assert table.reserve()
    assert not table.reserve(), "the last one is spoken for"
    table.give_back()
    put(table, session, 0, 1)
    assert not table.reserve()
    assert len(WriteTable(name).slots()) == SLOTS_MAX
    table.clear(slots[5])
    assert put(table, session, 7, 9) == slots[5]


def test_room_for_sessions_is_limited_too(name: str):
    table = WriteTable(name)
    indices = [table.add_session(FACTS) for _ in range(SESSIONS_MAX)]
    assert not table.has_room_for_session()
    table.drop_session(indices[7])
    assert table.has_room_for_session()
    assert table.add_session(FACTS) == indices[7]
    assert not WriteTable(name).has_room_for_session()


def test_a_dropped_session_leaves_no_dirt_to_its_successor(name: str):
    table = WriteTable(name)
    session = table.add_session(FACTS)
    table.set_dirty(session, True)
    table.drop_session(session)
    assert table.sessions() == {}
    assert table.add_session(FACTS) == session
    assert not table.is_dirty(session)


# A process that ends between two stores.


class TornError(Exception):
    pass


class Fuse:
    """The words of a table, up to a store that never comes."""

    def __init__(self, words: memoryview, stores: int) -> None:
        self.words = words
        self.stores = stores

    def __getitem__(self, index: int) -> int:
        return self.words[index]

    def __setitem__(self, index: int, value: int) -> None:
        if self.stores == 0:
            raise TornError
        self.stores -= 1
        self.words[index] = value


@pytest.mark.skipif(not write_table.__file__.endswith(".py"), reason="a compiled class has no room for a fuse")
@pytest.mark.parametrize("stores", range(5))
def test_a_slot_that_was_not_finished_is_free(name: str, stores: int):
    table = WriteTable(name)
    session = table.add_session(FACTS)
    # What was there before is in its payload still.
    table.clear(put(table, session, 1000, 2000))
    table._words = Fuse(table._words, stores)  # type: ignore[assignment]
    assert table.reserve()
    try:
        table.put(session, WRITE, 8, 16)
        assert stores == 4
    except TornError:
        assert stores < 4
    assert ranges(WriteTable(name)) == ([(WRITE, 8, 16)] if stores == 4 else [])


@pytest.mark.skipif(not write_table.__file__.endswith(".py"), reason="a compiled class has no room for a fuse")
@pytest.mark.parametrize("stores", range(3))
def test_a_session_that_was_not_finished_is_none(name: str, stores: int):
    table = WriteTable(name)
    table._words = Fuse(table._words, stores)  # type: ignore[assignment]
    try:
        table.add_session(FACTS)
        assert stores == 2
    except TornError:
        assert stores < 2
    other = WriteTable(name)
    assert list(other.sessions().values()) == ([FACTS] if stores == 2 else [])
    assert other.broken_sessions() == []


KILLED = """
import sys
from hawser.paths.write_table import WriteTable
table = WriteTable(sys.argv[1])
session = next(iter(table.sessions()))
held = []
number = 0
print("ready", flush=True)
while True:
    number += 1
    table.reserve()
    held.append(table.put(session, 1, number, 3 * number + 1))
    if len(held) > 64:
        table.clear(held.pop(number % 64))
"""


def test_a_process_that_is_killed_at_any_moment_leaves_whole_slots(name: str):
    WriteTable(name).add_session(FACTS)
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", KILLED, name], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(20)
        process.stdout.close()
        table = WriteTable(name)
        found = table.slots()
        assert all(slot.end == 3 * slot.start + 1 for slot in found)
        assert 0 < len(found) <= 66
        table.clear_all()
        assert table.slots() == []


# What cannot be trusted.


@pytest.mark.parametrize(
    ("offset", "data", "words"),
    [
        (0, b"NOTATABL", "not a table of writes"),
        (8, (VERSION + 1).to_bytes(8, "little"), f"version {VERSION + 1}"),
        (8, bytes(8), "version 0"),
    ],
)
def test_another_file_or_another_version_is_refused(name: str, offset: int, data: bytes, words: str):
    damage(name, offset, data)
    with pytest.raises(WriteTableError, match=words):
        WriteTable(name)


@pytest.mark.parametrize("size", [0, 100, TABLE_BYTES - 1, TABLE_BYTES + 1])
def test_another_size_is_refused(name: str, size: int):
    os.truncate(name, size)
    with pytest.raises(WriteTableError, match=f"it has {size} bytes"):
        WriteTable(name)


@pytest.mark.parametrize("word", range(4))
def test_a_damaged_slot_is_seen(name: str, word: int):
    table = WriteTable(name)
    put(table, table.add_session(FACTS), 8, 16)
    damage(name, SLOTS_AT + word * 8 + 1, b"\x55")
    with pytest.raises(WriteTableError, match="slot 0 is damaged"):
        WriteTable(name).slots()
    table.clear_all()
    assert WriteTable(name).slots() == []


@pytest.mark.parametrize("offset", [0, 4, 16, 40])
def test_a_damaged_session_is_seen(name: str, offset: int):
    table = WriteTable(name)
    table.add_session(FACTS)
    damage(name, HEADER_BYTES + offset, b"\x7f\x7f")
    other = WriteTable(name)
    assert other.sessions() == {}
    assert other.broken_sessions() == [0]


def test_facts_of_another_shape_are_broken(name: str):
    table = WriteTable(name)
    table.add_session(FACTS)
    with open(name, "rb") as file:
        text = file.read()[HEADER_BYTES + 16 :].split(b"\0", 1)[0]
    changed = text.replace(b'"epoch"', b'"epoxy"')
    damage(name, HEADER_BYTES + 16, changed)
    damage(name, HEADER_BYTES, (zlib.crc32(changed) << 32 | len(changed)).to_bytes(8, "little"))
    assert WriteTable(name).broken_sessions() == [0]


def test_the_longest_facts_fit(name: str):
    table = WriteTable(name)
    long = SessionFacts(
        "\x01" * 200 + "ä" * 100, TCP, 2**40, "b" * 36, True, 2**62, 2**31, 2**62, 2**32, "F" * 37, "F" * 37, 2**62
    )
    index = table.add_session(long)
    assert WriteTable(name).sessions() == {index: long}
