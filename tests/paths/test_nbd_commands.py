"""An NBD path in a session: commands pipelined, answers in any order, what errors mean, FUA where the server has none."""

import socket

import pytest
from tests.support.driver_bench import data_of, proof_of
from tests.support.fake_nbd import FLAGS, SIZE, Conversation, disk
from tests.support.nbd_bench import DATA, Make, NbdBench

from hawser.block.ops import FUA, NOUNMAP, READ, WRITE
from hawser.block.request import ANSWERED, NOT_SENT, UNKNOWN
from hawser.core.status import IOERR, NOSPC, NOTSUPP, OFFLINE, OK, RESOURCE, TIMEOUT, TRANSPORT
from hawser.core.units import KIB, NS_PER_MS, NS_PER_S
from hawser.nbd import protocol
from hawser.nbd.protocol import CMD_FLUSH, CMD_READ, CMD_TRIM, CMD_WRITE, CMD_WRITE_ZEROES
from hawser.paths.nbd_commands import status_of_error


def test_what_the_server_says_becomes_the_facts(make: Make):
    bench = make(size=SIZE + 700, block=512, preferred=8192)
    bench.connect()
    facts = bench.driver.facts
    assert (facts.size_bytes, facts.block_size, facts.rmw_unit, facts.read_only) == (SIZE + 512, 512, 8192, False)
    assert facts.can_flush and facts.can_fua and facts.can_discard and facts.can_zero
    assert bench.ear.heard == ["ready"]
    assert bench.driver.trouble() == ""


def test_a_batch_leaves_as_one_and_is_answered_in_any_order(bench: NbdBench, server: Conversation):
    bios = bench.submit(
        bench.bio(READ, 0, 4096),
        bench.bio(WRITE, 100, 0, DATA),
        bench.bio(READ, 200, 512),
    )
    commands = server.take(3)
    assert [(c.command, c.offset, c.length) for c in commands] == [
        (CMD_READ, 0, 4096),
        (CMD_WRITE, 51200, 4096),
        (CMD_READ, 102400, 512),
    ]
    assert commands[1].payload == DATA
    server.answer(commands[2], data=b"c" * 512)
    assert [bio.finished for bio in bios] == [False, False, True]
    server.answer(commands[1])
    server.answer(commands[0], data=DATA)
    assert [bio.status for bio in bios] == [OK] * 3
    assert (data_of(bios[0]), data_of(bios[2])) == (DATA, b"c" * 512)
    assert bench.at_rest()


def test_merged_bios_are_one_command(bench: NbdBench, server: Conversation):
    bios = bench.submit(*[bench.bio(WRITE, n * 8, 0, bytes([n]) * 4096) for n in range(8)])
    (command,) = server.take()
    assert (command.offset, command.length) == (0, 32 * KIB)
    assert command.payload == b"".join(bytes([n]) * 4096 for n in range(8))
    server.answer(command)
    assert all(bio.status == OK for bio in bios)


def test_every_command_is_said_as_the_protocol_has_it(bench: NbdBench, server: Conversation):
    bios = [
        bench.write(8, DATA, FUA),
        bench.flush(),
        bench.discard(16, 4096),
        bench.write_zeroes(24, 4096),
        bench.write_zeroes(32, 4096, NOUNMAP | FUA),
    ]
    commands = server.take(5)
    fua, no_hole = protocol.CMD_FLAG_FUA, protocol.CMD_FLAG_NO_HOLE
    assert [(c.command, c.flags, c.offset, c.length) for c in commands] == [
        (CMD_WRITE, fua, 4096, 4096),
        (CMD_FLUSH, 0, 0, 0),
        (CMD_TRIM, 0, 8192, 4096),
        (CMD_WRITE_ZEROES, 0, 12288, 4096),
        (CMD_WRITE_ZEROES, no_hole | fua, 16384, 4096),
    ]
    for command in commands:
        server.answer(command)
    assert [bio.status for bio in bios] == [OK] * 5


def test_answers_in_crumbs(bench: NbdBench, server: Conversation):
    bio = bench.read(0, 4096)
    (command,) = server.take()
    reply = protocol.simple_reply(command.cookie, 0) + DATA
    for at in range(0, len(reply), 7):
        assert not bio.finished
        server.say(reply[at : at + 7])
    assert data_of(bio) == DATA


def test_large_payloads_both_ways(bench: NbdBench, server: Conversation):
    """More than the sockets hold: what was not taken follows when there is room."""
    data = bytes(range(256)) * 3000
    bios = [bench.write(0, data), bench.write(0, data), bench.read(0, len(data)), bench.read(8, 4096)]
    commands = server.take(4)
    assert [command.payload for command in commands] == [data, data, b"", b""]
    server.answer(commands[2], data=data)
    for command in commands[:2]:
        server.answer(command)
    server.answer(commands[3], data=DATA)
    assert [bio.status for bio in bios] == [OK] * 4
    assert data_of(bios[2]) == data


def test_a_socket_that_takes_little_at_a_time(make: Make):
    bench = make()
    server = bench.connect()
    bench.driver._session.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    writes = bench.submit(*[bench.bio(WRITE, n * 256, 0, bytes([n]) * 65536) for n in range(0, 16, 2)])
    flush = bench.flush()
    commands = server.take(9)
    assert [command.payload[:1] for command in commands[:8]] == [bytes([n]) for n in range(0, 16, 2)]
    assert commands[8].command == CMD_FLUSH
    for command in commands:
        server.answer(command)
    assert [bio.status for bio in [*writes, flush]] == [OK] * 9


def test_many_commands_at_once(bench: NbdBench, server: Conversation):
    """More than one sendmsg takes pieces of."""
    bios = bench.submit(*[bench.bio(READ, n * 2 % 2048, 512) for n in range(1500)])
    commands = server.take(1500)
    server.say(b"".join(protocol.simple_reply(c.cookie, 0) + b"r" * 512 for c in commands))
    assert all(bio.status == OK for bio in bios)
    assert bench.at_rest()


# Errors.


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (protocol.EIO, IOERR),
        (protocol.ENOSPC, NOSPC),
        (protocol.ENOTSUP, NOTSUPP),
        (protocol.ENOMEM, RESOURCE),
        (protocol.ESHUTDOWN, TRANSPORT),
        (9999, IOERR),
    ],
)
def test_an_error_is_an_answer_and_the_session_goes_on(bench: NbdBench, server: Conversation, error: int, status: int):
    bad, good = bench.read(0, 512), bench.write(8, DATA)
    first, second = server.take(2)
    server.answer(first, error)
    server.answer(second)
    assert (bad.status, bad.fate, bad.data) == (status, ANSWERED, None)
    assert good.status == OK
    assert bench.ear.heard == ["ready"]


@pytest.mark.parametrize("error", [protocol.EINVAL, protocol.EPERM, protocol.EOVERFLOW])
def test_an_in_range_io_called_invalid_means_that_it_is_another_disk(bench: NbdBench, server: Conversation, error: int):
    bad, other = bench.read(0, 512), bench.read(8, 512)
    first, _ = server.take(2)
    server.answer(first, error)
    assert (bad.status, bad.fate) == (OFFLINE, ANSWERED)
    assert (other.status, other.fate) == (TRANSPORT, UNKNOWN)
    assert "not the disk that it was" in bench.ear.heard[1]
    assert server.has_hung_up()


@pytest.mark.parametrize(
    ("farewell", "words"),
    [
        (b"\0" * 16, "reply magic"),
        (protocol.U32.pack(protocol.STRUCTURED_REPLY_MAGIC) + bytes(16), "structured"),
        (protocol.simple_reply(b"\xff" * 8, 0), "which no request in flight has"),
    ],
)
def test_nonsense_ends_the_session(bench: NbdBench, server: Conversation, farewell: bytes, words: str):
    bio = bench.read(0, 512)
    server.take()
    server.say(farewell)
    assert (bio.status, bio.fate) == (TRANSPORT, UNKNOWN)
    assert "protocol error" in bench.driver.trouble() and words in bench.driver.trouble()
    assert server.has_hung_up()


def test_without_a_session_commands_are_not_sent(make: Make):
    bench = make()
    bio = bench.write(0, DATA)
    assert (bio.status, bio.fate, bio.orphan) == (TRANSPORT, NOT_SENT, None)
    bench.reactor.run(bench.driver.connect)
    bio = bench.write(0, DATA)
    assert (bio.status, bio.fate) == (TRANSPORT, NOT_SENT), "not before it is negotiated either"


# What a server does not have.


def test_fua_is_a_flush_behind_the_write_where_the_server_has_none(make: Make):
    bench = make(flags=FLAGS & ~protocol.FLAG_SEND_FUA)
    server = bench.connect()
    bio = bench.write(0, DATA, FUA)
    (write,) = server.take()
    assert (write.command, write.flags) == (CMD_WRITE, 0)
    server.answer(write)
    (flush,) = server.take()
    assert flush.command == CMD_FLUSH
    assert not bio.finished
    server.answer(flush)
    assert bio.status == OK
    assert bench.at_rest()


def test_a_failed_flush_behind_a_fua_write_is_a_lost_write_for_all(make: Make):
    bench = make(flags=FLAGS & ~protocol.FLAG_SEND_FUA)
    server = bench.connect()
    bio = bench.write(0, DATA, FUA)
    server.answer(server.take()[0])
    server.answer(server.take()[0], protocol.EIO)
    assert bio.status == IOERR
    assert bench.disk.doubt == 1
    assert any("answered a flush with an error" in line for line in bench.lines())


def test_a_failed_fua_write_is_not_flushed(make: Make):
    bench = make(flags=FLAGS & ~protocol.FLAG_SEND_FUA)
    server = bench.connect()
    bio = bench.write(0, DATA, FUA)
    server.answer(server.take()[0], protocol.EIO)
    assert bio.status == IOERR
    assert server.nothing_more()
    assert bench.disk.doubt == 0


def test_a_flush_behind_a_fua_write_has_no_more_time_than_the_write(make: Make):
    bench = make(flags=FLAGS & ~protocol.FLAG_SEND_FUA)
    server = bench.connect()
    bio = bench.write(0, DATA, FUA)
    (write,) = server.take()
    bench.reactor.pass_time(900 * NS_PER_MS)
    server.answer(write)
    (flush,) = server.take()
    bench.reactor.pass_time(100 * NS_PER_MS)
    assert (bio.status, bio.fate) == (TIMEOUT, UNKNOWN)
    server.answer(flush, protocol.EIO)
    assert bench.disk.doubt == 1, "a late word about a lost write is a word all the same"


@pytest.mark.parametrize(("cache", "status"), [("none", OK), ("lun", NOTSUPP), ("path", NOTSUPP)])
def test_a_server_without_flush(make: Make, cache: str, status: int):
    bench = make(f"cache={cache}", flags=FLAGS & ~protocol.FLAG_SEND_FLUSH)
    server = bench.connect()
    assert bench.flush().status == status
    assert server.nothing_more()


def test_a_server_without_trim_or_zeroes(make: Make):
    bench = make(flags=protocol.FLAG_HAS_FLAGS)
    server = bench.connect()
    assert [bench.discard(0, 4096).status, bench.write_zeroes(0, 4096).status] == [NOTSUPP, NOTSUPP]
    assert server.nothing_more()


def test_a_later_session_is_asked_for_what_it_offers_itself(make: Make):
    """The facts of another path stood in for a server that was not reached at first; what it cannot do is its own."""
    bench = make()
    server = bench.connect()
    bench.server.export = disk(flags=protocol.FLAG_HAS_FLAGS)
    server.close()
    server = bench.reconnect()
    assert bench.flush().status == NOTSUPP
    assert server.nothing_more()


# Timeouts: late answers.


def test_a_late_answer_proves_what_became_of_a_write_and_keeps_the_session(bench: NbdBench, server: Conversation):
    write, read = bench.write(0, DATA), bench.read(8, 4096)
    commands = server.take(2)
    bench.reactor.pass_time(NS_PER_S)
    assert [write.status, read.status] == [TIMEOUT, TIMEOUT]
    assert [write.fate, read.fate] == [UNKNOWN, UNKNOWN]
    assert proof_of(write) == "" and read.orphan is None
    assert bench.driver.outstanding() == []
    bench.reactor.pass_time(3 * NS_PER_S)
    server.answer(commands[1], data=DATA)
    assert proof_of(write) == ""
    server.answer(commands[0], protocol.EIO)
    assert proof_of(write) == "answered"
    bench.reactor.pass_time(60 * NS_PER_S)
    again = bench.read(8, 4096)
    server.answer(server.take()[0], data=DATA)
    assert again.status == OK and data_of(again) == DATA
    assert set(bench.ear.heard) == {"ready"}, "it was never lost"


def test_a_late_error_of_a_flush_is_a_word_about_a_lost_write(bench: NbdBench, server: Conversation):
    bio = bench.flush()
    (command,) = server.take()
    bench.reactor.pass_time(NS_PER_S)
    assert (bio.status, bio.orphan) == (TIMEOUT, None)
    server.answer(command, protocol.EIO)
    assert bench.disk.doubt == 1


def test_an_answer_that_stops_in_its_middle_is_a_late_one_and_proves_nothing_away(
    bench: NbdBench, server: Conversation
):
    """A server that stands still may have begun to answer a read: what it does with a write is behind that."""
    write, read = bench.write(0, DATA), bench.read(8, 256 * KIB)
    commands = server.take(2)
    server.say(protocol.simple_reply(commands[1].cookie, 0) + bytes(1000))
    bench.reactor.pass_time(NS_PER_S)
    assert [(bio.status, bio.fate) for bio in (write, read)] == [(TIMEOUT, UNKNOWN)] * 2
    assert bench.driver.outstanding() == [] and proof_of(write) == ""
    assert any("stopped in the middle" in text for _, text in bench.log.lines)
    bench.reactor.pass_time(NS_PER_S)
    server.say(bytes(256 * KIB - 1000))
    bench.reactor.pass_time(NS_PER_S)
    server.answer(commands[0])
    assert proof_of(write) == "answered"
    bench.reactor.pass_time(60 * NS_PER_S)
    again = bench.read(8, 4096)
    server.answer(server.take()[0], data=DATA)
    assert again.status == OK and data_of(again) == DATA
    assert set(bench.ear.heard) == {"ready"}, "it was never lost"


@pytest.mark.parametrize(
    ("error", "second", "doubt"),
    [
        (protocol.EIO, 0, 1),
        (protocol.ENOSPC, 0, 1),
        (protocol.EIO, protocol.EIO, 0),
        (protocol.ENOSPC, protocol.ENOSPC, 0),
        (protocol.ENOSPC, protocol.EIO, 0),
    ],
)
def test_an_error_of_a_fua_write_may_be_the_only_word_of_a_lost_write(make: Make, error: int, second: int, doubt: int):
    """Servers write, and then sync the whole file: that error is told once, and is any write's. Without FUA it is its own."""
    bench = make()
    server = bench.connect()
    bio = bench.write(0, DATA, FUA)
    plain = bench.write(16, DATA)
    write, other = server.take(2)
    server.answer(write, error)
    (again,) = server.take()
    assert (again.command, again.flags, again.offset, again.length) == (CMD_WRITE, 0, write.offset, write.length)
    assert again.payload == write.payload and not bio.finished
    server.answer(other, error)
    server.answer(again, second)
    assert bio.status == plain.status == status_of_error(error) and bio.fate == ANSWERED
    assert bench.disk.doubt == doubt
    assert any("which may be of a lost write" in line for line in bench.lines()) == bool(doubt)
    assert bench.at_rest() and server.nothing_more()


@pytest.mark.parametrize("error", [protocol.ENOMEM, protocol.ENOTSUP])
def test_an_error_that_is_no_lost_writes_is_not_looked_into(make: Make, error: int):
    bench = make()
    server = bench.connect()
    bio = bench.write(0, DATA, FUA)
    server.answer(server.take()[0], error)
    assert bio.finished and server.nothing_more() and bench.disk.doubt == 0


def test_zeroes_with_fua_are_asked_for_again_as_they_were(make: Make):
    bench = make()
    server = bench.connect()
    bio = bench.write_zeroes(0, 4096, FUA | NOUNMAP)
    server.answer(server.take()[0], protocol.EIO)
    (again,) = server.take()
    assert (again.command, again.flags) == (protocol.CMD_WRITE_ZEROES, protocol.CMD_FLAG_NO_HOLE)
    server.answer(again)
    assert (bio.status, bench.disk.doubt) == (IOERR, 1)


@pytest.mark.parametrize("error", [protocol.EIO, protocol.ENOSPC])
def test_a_fua_write_whose_error_comes_late_is_in_doubt(make: Make, error: int):
    bench = make()
    server = bench.connect()
    bio = bench.write(0, DATA, FUA)
    (write,) = server.take()
    bench.reactor.pass_time(NS_PER_S)
    assert (bio.status, bio.fate) == (TIMEOUT, UNKNOWN)
    server.answer(write, error)
    assert bench.disk.doubt == 1


@pytest.mark.parametrize("ends", [False, True], ids=["no answer", "end of the session"])
def test_a_second_try_that_tells_nothing_leaves_it_in_doubt(make: Make, ends: bool):
    bench = make()
    server = bench.connect()
    bio = bench.write(0, DATA, FUA)
    server.answer(server.take()[0], protocol.EIO)
    server.take()
    if ends:
        server.close()
    else:
        bench.reactor.pass_time(NS_PER_S)
    assert (bio.status, bio.fate) == (TRANSPORT if ends else TIMEOUT, UNKNOWN)
    assert bench.disk.doubt == 1
