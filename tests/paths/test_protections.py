"""Rules of what outlives the process, and of what it is judged by, one by one."""

import errno
import os
import resource

import pytest
from tests.support.driver_bench import DriverBench

from hawser.block.ops import DISCARD, WRITE
from hawser.block.orphan import Orphan
from hawser.paths.machine import ProcessName, _first_line, find_process, look_around
from hawser.paths.recovered import Recovered
from hawser.paths.uri import parse_path_uri
from hawser.paths.write_record import is_same_process, path_facts
from hawser.paths.write_table import (
    FILE_NAME,
    SESSIONS_MAX,
    UNIX,
    SessionFacts,
    WriteTable,
    WriteTableError,
    make_table,
)

HERE = look_around()
FACTS = SessionFacts("nbd+unix:///d?socket=/run/d.sock", UNIX, 3, HERE.boot, False, -1, 100, 5000, HERE.pids)


@pytest.fixture
def table(tmp_path) -> WriteTable:
    name = str(tmp_path / FILE_NAME)
    make_table(name)
    return WriteTable(name)


def test_slots_behind_a_free_one_are_found(table):
    slots = []
    for number in range(4):
        assert table.reserve()
        slots.append(table.put(5, WRITE, 8 * number, 8 * number + 8))
    table.clear(slots[0])
    table.clear(slots[2])
    assert [(slot.start, slot.end) for slot in table.slots()] == [(8, 16), (24, 32)]


@pytest.mark.parametrize("session", [0, 5, SESSIONS_MAX - 1])
def test_the_session_and_the_operation_of_a_slot_come_back(table, session: int):
    assert table.reserve()
    table.put(session, DISCARD, 1, 2)
    (slot,) = table.slots()
    assert (slot.session, slot.op, slot.start, slot.end) == (session, DISCARD, 1, 2)


@pytest.mark.parametrize(("session", "start", "end"), [(0, 8, 8), (0, 9, 8), (SESSIONS_MAX, 0, 8)])
def test_a_slot_that_makes_no_sense_is_damage_though_its_check_sum_is_right(table, session: int, start: int, end: int):
    assert table.reserve()
    table.put(session, WRITE, start, end)
    with pytest.raises(WriteTableError, match="slot 0 is damaged"):
        table.slots()


def test_a_table_is_made_in_the_directory_at_hand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_table(FILE_NAME)
    assert WriteTable(FILE_NAME).is_clean()
    assert os.listdir(tmp_path) == [FILE_NAME]


def test_without_a_declaration_a_path_declares_no_time():
    plain = parse_path_uri("nbd+unix:///d?socket=/run/d.sock")
    declared = parse_path_uri("nbd+unix:///d?socket=/run/d.sock&quiesce=2")
    assert path_facts(plain, HERE).quiesce_ns == -1
    assert path_facts(declared, HERE).quiesce_ns == 2_000_000_000


@pytest.mark.parametrize(
    ("recorded", "server", "same"),
    [((100, 5000), (100, 5000), True), ((100, 5000), (100, 5001), False), ((100, 5000), (101, 5000), False)],
)
def test_a_server_is_known_by_its_number_and_its_start(recorded, server, same):
    facts = SessionFacts("p", UNIX, 1, "", True, -1, *recorded)
    assert is_same_process(facts, ProcessName(*server)) is same


def test_a_server_that_could_not_be_told_may_be_any():
    assert is_same_process(SessionFacts("p", UNIX, 1, "", True, -1, 0, 0), ProcessName(7, 7))


def test_when_no_file_can_be_opened_nothing_is_said_of_a_process():
    """Neither that it is there, nor that it is gone."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(OSError) as caught:
            find_process(ProcessName(os.getpid(), 1))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert caught.value.errno == errno.EMFILE


@pytest.mark.parametrize(
    ("epoch", "who"), [(3, "d.sock (session 3 of an earlier process)"), (0, "d.sock (an earlier process)")]
)
def test_the_log_says_whose_fence_stays(epoch: int, who: str):
    bench = DriverBench()
    facts = SessionFacts(FACTS.place, UNIX, epoch, HERE.boot, False)
    orphan = Orphan(facts.place, epoch, WRITE, 0, 8, 1, None)
    recovered = Recovered(facts, [orphan], -1, bench.reactor, bench.timers, bench.log)
    bench.reactor.run(lambda: recovered.begin(HERE))
    assert any(who in text and "declare quiesce=SECONDS" in text for _, text in bench.log.lines)
    recovered.close()
    assert orphan.proof == ""


def test_a_machine_without_a_name_has_an_empty_one(tmp_path):
    assert _first_line(str(tmp_path / "nothing"), missing_ok=True) == ""
    with pytest.raises(FileNotFoundError):
        _first_line(str(tmp_path / "nothing"))
