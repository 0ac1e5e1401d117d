"""Sessions of an NBD path: how they begin, end and begin again; what becomes of commands and caches that were left behind."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.fake_nbd import FLAGS, SIZE, Conversation, disk
from tests.support.nbd_bench import DATA, Make, NbdBench

from hawser.block.bio import Bio
from hawser.block.driver import ORPHANS_MAX
from hawser.block.ops import READ, WRITE
from hawser.block.orphan import PROOF_EOF_DRAINS, PROOF_PEER_GONE, UNPROVEN
from hawser.block.request import IN_FLIGHT, NOT_SENT, UNKNOWN, Request
from hawser.core.status import OK, TIMEOUT, TRANSPORT
from hawser.core.units import MIB, NS_PER_MS, NS_PER_S
from hawser.nbd import protocol
from hawser.nbd.protocol import CMD_DISC
from hawser.paths.aftermath import NOTHING_LIFTS
from hawser.paths.nbd import LINGER_NS, LINGERING_MAX, RECONNECT_MAX_NS, RECONNECT_MIN_NS
from hawser.paths.uri import PathUri


def write_and_lose(bench: NbdBench, server: Conversation) -> Bio:
    """A write of unknown fate: the server has it, and hangs up."""
    bio = bench.write(0, DATA)
    server.take()
    server.close()
    bench.reactor.until(lambda: bio.finished)
    assert (bio.status, bio.fate) == (TRANSPORT, UNKNOWN)
    return bio


# Beginnings.


def test_nobody_there_is_tried_again_ever_more_seldom(free_socket_path: Callable[[str], Path]):
    path = free_socket_path("s")
    bench = NbdBench(path)
    bench.server.sock.close()
    tries: list[int] = []
    bench.reactor.run(bench.driver.connect)
    assert bench.driver.trouble() == "connection refused"
    assert bench.driver.has_failed()
    while len(tries) < 12:
        tries.append(bench.timers.next_deadline_ns() - bench.clock.now_ns)
        bench.reactor.pass_time(tries[-1])
    assert all(RECONNECT_MIN_NS // 2 <= delay <= RECONNECT_MAX_NS for delay in tries)
    assert tries[0] <= RECONNECT_MIN_NS and min(tries[-3:]) >= RECONNECT_MAX_NS // 2
    assert bench.driver.aftermaths == []
    assert sum("connection refused" in line for line in bench.lines()) == 1, "said once"
    assert bench.ear.heard == []
    bench.reactor.run(bench.driver.shut_down)
    assert bench.timers.next_deadline_ns() == -1


def test_a_missing_socket_and_a_wrong_export_are_said(make: Make, bench: NbdBench):
    os.unlink(bench.driver.uri.socket)
    bench.reactor.run(bench.driver.connect)
    assert bench.driver.trouble() == "no such file or directory"
    other = make(name="other")
    other.reactor.run(other.driver.connect)
    other.server.serve()
    assert "NBD_REP_ERR_UNKNOWN" in other.driver.trouble()


def test_a_host_name_that_cannot_be_is_an_error_and_no_exception(make: Make):
    bench = make(tcp=True)
    bench.driver.uri = PathUri("nbd://a..b/d", "nbd", host="a..b", export="d")
    bench.reactor.run(bench.driver.connect)
    assert "label" in bench.driver.trouble()


def test_a_server_that_never_greets_is_given_up(bench: NbdBench):
    bench.reactor.run(bench.driver.connect)
    conversation = bench.server.accept()
    bench.reactor.pass_time(NS_PER_S)
    assert bench.driver.trouble() == "no answer to the handshake"
    assert conversation.has_hung_up()
    bench.reconnect()
    assert bench.ear.heard == ["ready"]


def test_a_server_of_another_language(bench: NbdBench):
    bench.reactor.run(bench.driver.connect)
    bench.server.accept().say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert "NBDMAGIC" in bench.driver.trouble()


def test_over_tcp(make: Make):
    bench = make(tcp=True)
    server = bench.connect()
    bench.reactor.until(lambda: bench.ear.heard == ["ready"])
    bios = [bench.write(0, DATA * 64), bench.read(0, 4096)]
    for command in server.take(2):
        server.answer(command, data=DATA if command.length == 4096 else b"")
    bench.until_done(*bios)
    assert [bio.status for bio in bios] == [OK, OK]
    bench.reactor.run(bench.driver.shut_down)
    bench.reactor.until(server.has_hung_up)


def test_an_answer_before_anything_was_asked_is_an_error(bench: NbdBench):
    bench.reactor.run(bench.driver.connect)
    conversation = bench.server.accept()
    conversation.negotiate()
    conversation.say(protocol.simple_reply(bytes(8), 0))
    assert "which no request in flight has" in bench.driver.trouble()


# Ends, and what is left.


def test_a_server_that_hangs_up_leaves_what_it_was_sent_unknown(bench: NbdBench, server: Conversation):
    write, read, big = bench.write(0, DATA), bench.read(8), bench.write(0, bytes(MIB))
    behind = bench.write(2040, DATA)
    server.take(2)
    server.close()
    assert [bio.status for bio in (write, read, big, behind)] == [TRANSPORT] * 4
    assert [bio.fate for bio in (write, read, big, behind)] == [UNKNOWN, UNKNOWN, UNKNOWN, NOT_SENT]
    assert [bio.orphan is None for bio in (write, read, big, behind)] == [False, True, False, True]
    assert len(bench.ear.heard) == 2 and bench.driver.trouble()
    assert bench.at_rest()


def test_another_session_follows_and_is_a_new_epoch(bench: NbdBench, server: Conversation):
    epoch = bench.driver.epoch
    server.close()
    server = bench.reconnect()
    assert bench.driver.epoch > epoch
    assert bench.ear.heard[0] == bench.ear.heard[2] == "ready"
    bio = bench.read()
    server.answer(server.take()[0], data=bytes(512))
    assert bio.status == OK


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": SIZE // 2}, "its size is 524288 bytes, not 1048576"),
        ({"flags": FLAGS | protocol.FLAG_READ_ONLY}, "it is read-only"),
        ({"block": 4096}, "its block size is 4096 bytes, not 512"),
        ({"words": "LUN 8"}, "the server describes it as 'LUN 8', not 'LUN 7'"),
    ],
)
def test_a_server_that_comes_back_as_another_disk_is_refused(
    bench: NbdBench, server: Conversation, change: dict, words: str
):
    server.close()
    bench.server.export = disk(words="LUN 7")
    bench.reconnect().close()
    bench.server.export = disk(**change)
    server = bench.reconnect()
    assert bench.driver.trouble() == bench.driver.mismatch == f"not the same disk: {words}"
    assert server.has_hung_up()
    assert bench.ear.heard[-2:] == ["the server closed the connection", f"refused: not the same disk: {words}"]
    assert bench.write(0, DATA).fate == NOT_SENT


def test_a_server_that_says_nothing_more_or_that_has_grown_is_the_same(bench: NbdBench, server: Conversation):
    for words, size in (("LUN 7", SIZE), ("", SIZE), ("LUN 7", 2 * SIZE), ("", SIZE)):
        server.close()
        bench.server.export = disk(words=words, size=size)
        server = bench.reconnect()
        assert bench.driver.trouble() == "", (words, size)
    server.close()
    bench.server.export = disk(words="LUN 8")
    bench.reconnect()
    assert bench.driver.mismatch == "not the same disk: the server describes it as 'LUN 8', not 'LUN 7'"


def test_a_server_that_was_refused_is_not_asked_again_before_a_user_says_so(bench: NbdBench, server: Conversation):
    server.close()
    bench.server.export = disk(size=SIZE // 2)
    bench.reconnect()
    bench.server.export = disk()
    bench.reactor.pass_time(3600 * NS_PER_S)
    assert not bench.server.is_called()
    bench.reactor.run(bench.driver.look_again)
    assert bench.driver.mismatch == ""
    bench.server.accept().negotiate()
    bench.reactor.until(lambda: bench.ear.heard[-1] == "ready")
    assert bench.driver.trouble() == ""


def test_a_server_that_is_still_another_disk_when_it_is_looked_at_again(bench: NbdBench, server: Conversation):
    server.close()
    bench.server.export = disk(size=SIZE // 2)
    bench.reconnect()
    bench.reactor.run(bench.driver.look_again)
    bench.server.accept().negotiate()
    bench.reactor.until(lambda: len(bench.ear.heard) == 4)
    assert bench.ear.heard[3] == bench.ear.heard[2]
    bench.reactor.pass_time(3600 * NS_PER_S)
    assert not bench.server.is_called()


def test_to_look_again_is_to_connect_now(bench: NbdBench, server: Conversation):
    server.close()
    bench.reactor.run(bench.driver.look_again)
    bench.server.accept().negotiate()
    bench.reactor.until(lambda: bench.ear.heard[-1] == "ready")
    bench.reactor.run(bench.driver.look_again)
    assert not bench.server.is_called(), "there is a connection"


def test_an_end_of_file_proves_nothing_while_the_process_lives(bench: NbdBench, server: Conversation):
    bio = write_and_lose(bench, server)
    bench.reactor.pass_time(3600 * NS_PER_S)
    assert not bio.orphan.proof
    assert len(bench.driver.aftermaths) == 1


def test_a_declared_drain_makes_the_end_of_file_a_proof(make: Make):
    bench = make("cache=lun&eof=drains")
    bio = write_and_lose(bench, bench.connect())
    assert bio.orphan.proof == PROOF_EOF_DRAINS
    assert bench.driver.aftermaths == []


def test_a_drain_is_no_proof_when_we_were_the_ones_who_hung_up(make: Make):
    bench = make("cache=lun&eof=drains")
    server = bench.connect()
    bio = bench.write(0, DATA)
    server.take()
    server.say(bytes(16))
    assert bio.fate == UNKNOWN and not bio.orphan.proof


def test_a_declared_quiesce_time_lifts_the_fence_unproven(make: Make):
    bench = make("cache=lun&quiesce=30")
    bio = write_and_lose(bench, bench.connect())
    bench.reactor.pass_time(30 * NS_PER_S - 1)
    assert not bio.orphan.proof
    bench.reactor.pass_time(1)
    assert bio.orphan.proof == UNPROVEN
    assert bench.driver.aftermaths == []


def test_what_cannot_be_proved_over_tcp_is_said(make: Make):
    bench = make(tcp=True)
    server = bench.connect()
    bench.reactor.until(lambda: bench.ear.heard)
    bio = write_and_lose(bench, server)
    bench.reactor.pass_time(60 * NS_PER_S)
    assert not bio.orphan.proof
    assert sum("nothing can prove what became of 1 writes" in line for line in bench.lines()) == 1


CHILD = "import sys; from tests.support.fake_nbd import serve_and_fall_silent; serve_and_fall_silent(sys.argv[1])"


def test_a_server_whose_process_has_ended_can_do_no_more(bench: NbdBench):
    path = bench.driver.uri.socket
    os.unlink(path)
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", CHILD, path], cwd=root, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"ready\n"
        bench.reactor.run(bench.driver.connect)
        bench.reactor.until(lambda: bench.ear.heard)
        bio = bench.write(0, DATA)
        bench.reactor.settle()
        child.kill()
        bench.reactor.until(lambda: bio.finished and bio.orphan.proof)
    assert (bio.status, bio.orphan.proof) == (TRANSPORT, PROOF_PEER_GONE)
    assert bench.driver.aftermaths == []


def test_too_many_unproved_commands_and_no_session_is_opened(bench: NbdBench, server: Conversation):
    bios = bench.submit(*[bench.bio(WRITE, n * 2 % 2048, 0, bytes(512)) for n in range(ORPHANS_MAX)])
    server.take(ORPHANS_MAX)
    server.close()
    bench.reactor.pass_time(60 * NS_PER_S)
    assert not bench.server.is_called()
    assert f"{ORPHANS_MAX} commands of earlier sessions have an unknown fate" in bench.driver.trouble()
    for bio in bios[:10]:
        bio.orphan.resolve("answered")
    bench.reconnect()
    assert bench.driver.trouble() == ""


# Timeouts: sessions that are given up.


def silent_write(bench: NbdBench, server: Conversation) -> Bio:
    bio = bench.write(0, DATA)
    server.take()
    bench.reactor.pass_time(NS_PER_S)
    assert bio.status == TIMEOUT
    return bio


def test_over_a_unix_socket_the_old_connection_is_watched_beside_the_new_one(bench: NbdBench, server: Conversation):
    bio = bench.write(0, DATA)
    (command,) = server.take()
    bench.reactor.pass_time(NS_PER_S + LINGER_NS)
    assert bench.driver.trouble() == "no late answer within 5 s"
    assert bench.ear.heard == ["ready", "no late answer within 5 s"]
    second = bench.reconnect()
    assert not bio.orphan.proof
    server.answer(command)
    assert bio.orphan.proof == "answered"
    assert server.has_hung_up(), "nothing more is expected of it"
    read = bench.read()
    second.answer(second.take()[0], data=bytes(512))
    assert read.status == OK


def test_an_old_connection_that_ends_has_its_own_aftermath(bench: NbdBench, server: Conversation):
    bio = silent_write(bench, server)
    bench.reactor.pass_time(LINGER_NS)
    bench.reconnect()
    server.close()
    assert not bio.orphan.proof
    assert len(bench.driver.aftermaths) == 1
    assert bench.driver.trouble() == "", "the new session stands"


def test_only_so_many_old_connections_are_watched(bench: NbdBench, server: Conversation):
    servers = [server]
    for _ in range(LINGERING_MAX + 1):
        silent_write(bench, servers[-1])
        bench.reactor.pass_time(LINGER_NS)
        servers.append(bench.reconnect())
    assert [conversation.has_hung_up() for conversation in servers] == [False] * LINGERING_MAX + [True, False]


def test_over_tcp_the_old_connection_is_reset(make: Make):
    bench = make("cache=lun&quiesce=30", tcp=True)
    server = bench.connect()
    bench.reactor.until(lambda: bench.ear.heard)
    bio = silent_write(bench, server)
    bench.reactor.pass_time(LINGER_NS)
    with pytest.raises(ConnectionResetError):
        bench.reactor.until(lambda: server.sock.recv(1) is None)
    assert not bio.orphan.proof
    bench.reactor.pass_time(30 * NS_PER_S)
    assert bio.orphan.proof == UNPROVEN, "the time counts from the reset"


def test_late_answers_keep_a_slow_server_alive(bench: NbdBench, server: Conversation):
    bios = [bench.write(n * 8, DATA) for n in range(3)]
    commands = server.take(3)
    bench.reactor.pass_time(NS_PER_S)
    for command in commands:
        bench.reactor.pass_time(LINGER_NS - 1)
        server.answer(command)
    assert [bio.orphan.proof for bio in bios] == ["answered"] * 3
    bench.reactor.pass_time(60 * NS_PER_S)
    assert set(bench.ear.heard) == {"ready"}, "it was never lost"


# The end.


def test_shutting_down_says_goodbye_and_answers_what_is_outstanding(bench: NbdBench, server: Conversation):
    write, read = bench.write(0, DATA), bench.read(8)
    server.take(2)
    bench.reactor.run(bench.driver.shut_down)
    assert [write.fate, read.fate] == [UNKNOWN, UNKNOWN]
    assert [c.command for c in server.take()] == [CMD_DISC]
    assert server.has_hung_up()
    bench.reactor.pass_time(60 * NS_PER_S)
    assert not bench.server.is_called()
    assert bench.timers.next_deadline_ns() == -1
    bench.reactor.run(bench.driver.shut_down)
    assert bench.write(0, DATA).fate == NOT_SENT


def test_shutting_down_at_any_point_of_a_sessions_life_leaves_nothing_open(free_socket_path: Callable[[str], Path]):
    before = len(os.listdir("/proc/self/fd"))
    for stage in range(4):
        bench = NbdBench(free_socket_path(f"e{stage}"), "cache=lun")
        bench.reactor.run(bench.driver.connect)
        if stage >= 1:
            conversation = bench.server.accept()
        if stage >= 2:
            conversation.negotiate()
        if stage == 3:
            silent_write(bench, conversation)
            bench.reactor.pass_time(LINGER_NS)
            write_and_lose(bench, bench.reconnect())
        bench.close()
        assert not bench.reactor.readers and not bench.reactor.writers
    assert len(os.listdir("/proc/self/fd")) == before


def test_requests_wait_for_nobody_when_the_session_goes_between_queueing_and_commit(
    bench: NbdBench, server: Conversation
):
    request = Request(bench.bio(READ, 0, 512), bench.queue, bench.queue)
    request.state = IN_FLIGHT
    bench.queue.in_flight += 1
    bench.driver.queue_rq(request)
    assert bench.driver.outstanding() == [request]
    server.close()
    bench.reactor.run(bench.driver.commit)
    assert (request.status, request.fate) == (TRANSPORT, NOT_SENT)
    bench.reactor.pass_time(NS_PER_MS)


# What would lift a fence, for people.


def lifts(bench: NbdBench, bio: Bio) -> str:
    assert bio.orphan is not None
    return bench.driver.lifts(bio.orphan)


def test_what_is_waited_for_is_said(make: Make):
    bench = make("cache=lun&quiesce=30")
    bio = write_and_lose(bench, bench.connect())
    assert lifts(bench, bio) == "the end of the server's process or the declared quiesce time, in 30.0 s"
    bench.reactor.pass_time(10 * NS_PER_S)
    assert lifts(bench, bio).endswith("in 20.0 s")
    bench.reactor.pass_time(20 * NS_PER_S)
    assert lifts(bench, bio) == "", "it is lifted"


def test_that_nothing_is_waited_for_is_said_too(make: Make):
    bench = make(tcp=True)
    server = bench.connect()
    bench.reactor.until(lambda: bench.ear.heard)
    bio = write_and_lose(bench, server)
    assert lifts(bench, bio) == NOTHING_LIFTS


def test_a_late_answer_is_waited_for(bench: NbdBench, server: Conversation):
    bio = silent_write(bench, server)
    assert lifts(bench, bio) == "its answer, or what the end of its connection brings"
    bench.reactor.pass_time(LINGER_NS)
    bench.reconnect()
    assert lifts(bench, bio) == "its answer, or what the end of its connection brings"
