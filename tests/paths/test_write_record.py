"""What an NBD path writes down of its writes: before they go out, until their fate is known, and no longer."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.fake_nbd import FLAGS, disk
from tests.support.nbd_bench import DATA, NbdBench

from hawser.block.bio import Bio, BioOwner
from hawser.block.ops import DISCARD, FUA, WRITE, WRITE_ZEROES
from hawser.block.orphan import UNPROVEN
from hawser.core.status import OK, TIMEOUT, TRANSPORT
from hawser.core.units import MIB, NS_PER_S
from hawser.nbd import protocol
from hawser.paths.machine import look_around
from hawser.paths.nbd import LINGER_NS
from hawser.paths.uri import parse_path_uri
from hawser.paths.write_record import PLACE_MAX, Held, PathRecorder, path_facts, place_of
from hawser.paths.write_table import SESSIONS_MAX, SLOTS_MAX, WriteTable, make_table

SIZE = len(DATA)
EIO = protocol.EIO


class Recorded(NbdBench):
    """A path with a table. `seen` is what a process that came now would find."""

    def __init__(self, name: str, path: Path | None, options: str = "cache=lun", **export) -> None:
        super().__init__(path, options, disk(**export))
        self.name = name
        self.table = WriteTable(name)
        self.recorder = PathRecorder(self.table, self.driver.uri, look_around())
        facts = path_facts(self.driver.uri, self.recorder.here)
        self.recorder.path = Held(self.table, self.table.add_session(facts), facts)
        self.driver.recorder = self.recorder
        self.device.cache_ear = self.recorder

    def seen(self) -> list[tuple[int, int, int]]:
        return sorted((slot.op, slot.start, slot.end) for slot in WriteTable(self.name).slots())

    def sessions(self) -> list[int]:
        """Their epochs; the path itself is 0."""
        return sorted(facts.epoch for facts in WriteTable(self.name).sessions().values())

    def dirty(self) -> list[int]:
        table = WriteTable(self.name)
        return sorted(facts.epoch for index, facts in table.sessions().items() if table.is_dirty(index))


Record = Callable[..., Recorded]


@pytest.fixture
def record(free_socket_path: Callable[[str], Path], tmp_path: Path) -> Iterator[Record]:
    made: list[Recorded] = []

    def factory(options: str = "cache=lun", tcp: bool = False, **export) -> Recorded:
        name = str(tmp_path / f"writes{len(made)}")
        make_table(name)
        bench = Recorded(name, None if tcp else free_socket_path(f"s{len(made)}"), options, **export)
        made.append(bench)
        return bench

    yield factory
    for bench in made:
        bench.close()


def test_a_write_is_there_when_the_server_has_it_and_gone_when_it_is_answered(record: Record):
    bench = record()
    server = bench.connect()
    bio = bench.write(8, DATA)
    command = server.take()[0]
    assert bench.seen() == [(WRITE, 8, 16)]
    server.answer(command)
    assert bio.status == OK
    assert bench.seen() == []


def test_every_command_that_changes_something_is_recorded_and_no_other(record: Record):
    bench = record()
    server = bench.connect()
    bench.read(0)
    bench.flush()
    bench.discard(64, 4096)
    bench.write_zeroes(128, 8192)
    commands = server.take(4)
    assert bench.seen() == [(DISCARD, 64, 72), (WRITE_ZEROES, 128, 144)]
    for command in commands:
        server.answer(command, data=bytes(command.length) if command.command == protocol.CMD_READ else b"")
    assert bench.seen() == []
    assert bench.table.reserved == 0


def test_an_error_is_an_answer(record: Record):
    bench = record()
    server = bench.connect()
    bench.write(8, DATA)
    server.answer(server.take()[0], error=EIO)
    assert bench.seen() == []


def test_one_that_timed_out_stays_until_its_late_answer(record: Record):
    bench = record()
    server = bench.connect()
    bio = bench.write(8, DATA)
    command = server.take()[0]
    bench.reactor.pass_time(2 * NS_PER_S)
    assert bio.status == TIMEOUT
    assert bench.seen() == [(WRITE, 8, 16)]
    server.answer(command)
    assert bench.seen() == []


def test_one_that_was_lost_with_its_session_stays_until_a_proof(record: Record):
    bench = record("cache=lun&quiesce=30", tcp=True)
    server = bench.connect()
    bio = bench.write(8, DATA)
    server.take()
    server.close()
    bench.reactor.until(lambda: bio.finished)
    assert bio.status == TRANSPORT
    assert bench.seen() == [(WRITE, 8, 16)]
    assert 1 in bench.sessions(), "it says what would be a proof"
    bench.reactor.pass_time(31 * NS_PER_S)
    assert bio.orphan is not None and bio.orphan.proof == UNPROVEN
    assert bench.seen() == []
    assert 1 not in bench.sessions()


def test_what_was_not_sent_is_not_kept(record: Record):
    """The socket takes some of the first ones; of the last not a byte was handed over."""
    bench = record("cache=lun&quiesce=30", tcp=True)
    server = bench.connect()
    big = bytes(4 * MIB)
    bios = [bench.write(0, big) for _ in range(8)]
    assert len(bench.seen()) == 8
    server.close()
    bench.reactor.until(lambda: all(bio.finished for bio in bios))
    unknown = sum(1 for bio in bios if bio.orphan is not None)
    assert unknown < 8
    assert len(bench.seen()) == unknown


def test_what_timed_out_before_it_was_sent_is_not_kept(record: Record):
    bench = record(tcp=True)
    bench.connect()
    big = bytes(4 * MIB)
    bios = [bench.write(0, big) for _ in range(8)]
    bench.reactor.pass_time(NS_PER_S)
    assert all(bio.status == TIMEOUT for bio in bios)
    assert len(bench.seen()) == sum(1 for bio in bios if bio.orphan is not None) < 8


def test_a_lingering_session_is_remembered_beside_the_next(record: Record):
    bench = record()
    server = bench.connect()
    bench.write(8, DATA)
    command = server.take()[0]
    bench.reactor.pass_time(2 * NS_PER_S + LINGER_NS)
    bench.reconnect()
    assert bench.sessions() == [0, 1, 2]
    assert bench.seen() == [(WRITE, 8, 16)]
    server.answer(command)
    assert bench.seen() == []
    assert bench.sessions() == [0, 2]


def test_an_idle_session_that_ends_is_forgotten(record: Record):
    bench = record()
    server = bench.connect()
    assert bench.sessions() == [0, 1]
    server.close()
    assert bench.sessions() == [0]


def test_a_clean_stop_keeps_what_is_not_known(record: Record):
    bench = record()
    server = bench.connect()
    bench.write(8, DATA)
    server.take()
    bench.reactor.run(bench.driver.shut_down)
    assert bench.seen() == [(WRITE, 8, 16)]
    assert bench.sessions() == [0, 1]


def test_nothing_is_sent_without_a_record(record: Record):
    """The table is full: writes wait in the queue, reads pass."""
    bench = record()
    server = bench.connect()
    others = []
    for number in range(SLOTS_MAX - 1):
        assert bench.table.reserve()
        others.append(bench.table.put(0, WRITE, number, number + 1))
    first = bench.write(8, DATA)
    second = bench.write(64, DATA)
    read = bench.read(0)
    commands = server.take(2)
    assert [command.command for command in commands] == [protocol.CMD_WRITE, protocol.CMD_READ]
    assert server.nothing_more() and not second.finished
    server.answer(commands[1], data=bytes(512))
    assert read.status == OK
    server.answer(commands[0])
    bench.until_done(first)
    bench.reactor.pass_time(NS_PER_S // 2)
    later = server.take()[0]
    assert (later.command, later.offset) == (protocol.CMD_WRITE, 64 * 512)
    server.answer(later)
    assert second.status == OK
    assert bench.table.reserved == 0


def test_no_session_without_a_record(record: Record):
    bench = record()
    while bench.table.has_room_for_session():
        bench.table.add_session(path_facts(bench.driver.uri, bench.recorder.here))
    bench.connect()
    assert "no room for another session" in bench.driver.trouble()
    assert len(bench.sessions()) == SESSIONS_MAX
    bench.table.drop_session(SESSIONS_MAX - 1)
    bench.reconnect()
    assert bench.driver.trouble() == ""


def test_a_session_names_its_server_and_its_socket(record: Record):
    tcp = record(tcp=True)
    tcp.connect()
    facts = next(facts for facts in WriteTable(tcp.name).sessions().values() if facts.epoch == 1)
    port = tcp.server.sock.getsockname()[1]
    assert facts.remote == f"0100007F:{port:04X}" and facts.local.startswith("0100007F:")
    assert facts.kind == "tcp" and facts.net == tcp.recorder.here.net
    unix = record()
    unix.connect()
    facts = next(facts for facts in WriteTable(unix.name).sessions().values() if facts.epoch == 1)
    assert facts.kind == "unix" and facts.pids == unix.recorder.here.pids
    assert (facts.pid, facts.started) == (unix.recorder.server().pid, unix.recorder.server().started)
    assert facts.pid > 0 and facts.started > 0
    assert facts.boot == unix.recorder.here.boot


# Caches.


def written(bench: Recorded, server, sector: int = 0) -> None:
    """As the map above does it: the write is counted when it is acknowledged."""
    bio = bench.write(sector, DATA)
    server.answer(server.take()[0])
    assert bio.status == OK
    bench.device.written += 1


def test_a_cache_is_dirty_from_the_answer_to_the_flush(record: Record):
    bench = record("cache=path")
    server = bench.connect()
    assert bench.dirty() == []
    written(bench, server)
    assert bench.dirty() == [1]
    written(bench, server, 64)
    bench.device.cache_flushed(1)
    assert bench.dirty() == [1], "one write is not covered"
    bench.device.cache_flushed(2)
    assert bench.dirty() == []
    written(bench, server)
    assert bench.dirty() == [1]


def test_it_is_marked_before_anybody_hears_of_the_answer(record: Record):
    bench = record("cache=path")
    server = bench.connect()
    seen: list[list[int]] = []

    class Ear(BioOwner):
        def bio_done(self, bio: Bio) -> None:
            seen.append(bench.dirty())

    bio = Bio(WRITE, 0, SIZE, Ear(), DATA)
    bench.submit(bio)
    server.answer(server.take()[0])
    assert seen == [[1]]


@pytest.mark.parametrize("cache", ["lun", "none"])
def test_a_cache_that_is_not_the_paths_own_is_never_dirty(record: Record, cache: str):
    bench = record(f"cache={cache}")
    server = bench.connect()
    written(bench, server)
    assert bench.dirty() == []


def test_the_dirt_of_a_session_that_ended_stays_until_a_later_one_flushes(record: Record):
    bench = record("cache=path", tcp=True)
    server = bench.connect()
    bench.reactor.until(lambda: bench.ear.heard)
    written(bench, server)
    server.close()
    bench.reactor.until(lambda: bench.device.left_behind is not None)
    assert bench.dirty() == [1]
    bench.reconnect()
    bench.reactor.until(lambda: bench.ear.heard[-1] == "ready")
    assert bench.dirty() == [1] and bench.sessions() == [0, 1, 2]
    bench.device.cache_flushed(bench.device.written)
    assert bench.dirty() == [] and bench.sessions() == [0, 2]


def test_a_late_answer_dirties_a_cache_that_was_flushed_meanwhile(record: Record):
    bench = record("cache=path")
    server = bench.connect()
    bench.write(8, DATA)
    command = server.take()[0]
    bench.reactor.pass_time(2 * NS_PER_S)
    assert bench.dirty() == [], "its own slot stands for it"
    server.answer(command)
    assert bench.dirty() == [1] and bench.seen() == []


def test_what_dirties_a_cache_when_no_session_is_left_is_laid_to_the_path(record: Record):
    bench = record("cache=path")
    server = bench.connect()
    server.close()
    bench.device.late_write()
    assert bench.dirty() == [0]
    bench.device.cache_flushed(bench.device.written)
    assert bench.dirty() == []
    assert bench.sessions() == [0]


def test_a_flush_for_fua_takes_no_slot_and_its_write_is_over(record: Record):
    bench = record("cache=path", flags=FLAGS & ~protocol.FLAG_SEND_FUA)
    server = bench.connect()
    bio = bench.write(8, DATA, FUA)
    server.answer(server.take()[0])
    flush = server.take()[0]
    assert flush.command == protocol.CMD_FLUSH and not bio.finished
    assert bench.seen() == []
    bench.reactor.pass_time(2 * NS_PER_S)
    assert bio.status == TIMEOUT
    assert bench.seen() == []


# Names.


def test_places_are_what_a_path_is_known_by_and_their_length_is_bounded():
    short = parse_path_uri("nbd://host/e?quiesce=3")
    assert place_of(short) == "nbd://host:10809/e"
    long = [place_of(parse_path_uri("nbd://host/" + "x" * 1000 + end)) for end in ("a", "b")]
    assert long[0] != long[1]
    assert all(len(place.encode()) <= PLACE_MAX + 40 for place in long)
