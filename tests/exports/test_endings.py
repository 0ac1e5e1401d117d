"""How clients go: with a goodbye, without one, because they must, or because the server does; and what becomes of their I/O."""

from collections.abc import Callable

import pytest
from tests.support.export_bench import ExportBench, Guest

from hawser.block.ops import WRITE
from hawser.block.request import UNKNOWN
from hawser.core.status import IOERR, TIMEOUT
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.world import Answer
from hawser.nbd import protocol
from hawser.nbd.protocol import CMD_READ, CMD_WRITE

DATA = b"d" * 4096
Make = Callable[..., ExportBench]


def slow(bench: ExportBench, delay_ns: int = 50 * NS_PER_MS) -> None:
    for path in bench.paths:
        path.driver.default = Answer(delay_ns=delay_ns)


@pytest.fixture(params=["rq", "bio"])
def bench(request: pytest.FixtureRequest, make: Make) -> ExportBench:
    return make(mode=request.param)


@pytest.fixture
def guest(bench: ExportBench) -> Guest:
    return bench.guest()


def test_a_goodbye_is_answered_when_everything_else_is(bench: ExportBench, guest: Guest):
    slow(bench)
    cookies = [guest.ask(CMD_WRITE, n * 8192, 4096, DATA) for n in range(4)]
    guest.say_goodbye()
    assert not guest.is_dropped()
    bench.reactor.pass_time(50 * NS_PER_MS)
    assert guest.is_dropped()
    assert [guest.replies[cookie].error for cookie in cookies] == [0] * 4


def test_a_goodbye_by_a_client_that_is_gone_already_is_drained_all_the_same(bench: ExportBench, guest: Guest):
    slow(bench)
    for n in range(4):
        guest.ask(CMD_WRITE, n * 8192, 4096, DATA)
    guest.say_goodbye()
    guest.hang_up()
    assert len(bench.server.connections) == 1
    bench.reactor.pass_time(50 * NS_PER_MS)
    assert bench.server.connections == []
    assert [bytes(bench.store.data[n * 8192 : n * 8192 + 4096]) for n in range(4)] == [DATA] * 4


def test_what_comes_behind_a_goodbye_is_not_done(bench: ExportBench, guest: Guest):
    guest.ask(protocol.CMD_DISC)
    guest.ask(CMD_WRITE, 0, 4096, DATA)
    guest.push()
    assert guest.is_dropped()
    assert bench.sent() == []


def test_a_client_that_hangs_up_takes_what_was_not_dispatched_with_it(make: Make):
    bench = make(paths=1, depth=1, mode="rq")
    slow(bench)
    guest, bystander = bench.guest(), bench.guest()
    for n in range(4):
        guest.ask(CMD_WRITE, n * 8192, 4096, DATA)
    guest.push()
    other = bystander.write(64 * 4096, DATA)
    assert len(bench.paths[0].driver.sent) == 1
    guest.hang_up()
    bench.reactor.pass_time(NS_PER_S)
    assert bench.sent() == [(WRITE, 0, 4096), (WRITE, 512, 4096)]
    assert bystander.error(other) == 0
    assert bench.rig.at_rest()


def test_what_a_gone_client_has_in_flight_keeps_others_from_its_range(bench: ExportBench):
    """Its write may land yet: another client's write of the same sectors waits until it has."""
    slow(bench)
    guest, bystander = bench.guest(), bench.guest()
    guest.write(0, b"old!" * 1024)
    guest.hang_up()
    new, elsewhere = bystander.write(0, b"new!" * 1024), bystander.write(8192, DATA)
    assert len(bench.sent()) == 2
    bench.reactor.pass_time(50 * NS_PER_MS)
    assert bystander.error(elsewhere) == 0 and not bystander.has(new)
    bench.reactor.pass_time(50 * NS_PER_MS)
    assert bystander.error(new) == 0
    assert bytes(bench.store.data[:4096]) == b"new!" * 1024
    assert not bench.world.disk.fences.active


def test_half_a_command_is_none(bench: ExportBench, guest: Guest):
    guest.ask(CMD_WRITE, 0, 4096, DATA)
    del guest.unsent[-1:]
    guest.push()
    guest.hang_up()
    assert bench.sent() == []
    assert bench.server.connections == []


def test_a_client_that_talks_nonsense_is_named_and_shown_out(bench: ExportBench, guest: Guest):
    bystander = bench.guest()
    guest.unsent += b"GET / HTTP/1.1\r\n\r\n" + bytes(64)
    guest.push()
    assert guest.is_dropped()
    assert any(line.startswith("guest 1: request magic") and line.endswith("disconnected") for line in bench.lines())
    assert bystander.error(bystander.read(0, 512)) == 0


def test_nonsense_behind_commands_leaves_these_done_or_dead_but_nobody_waiting(bench: ExportBench, guest: Guest):
    for n in range(4):
        guest.ask(CMD_WRITE, n * 8192, 4096, DATA)
    guest.unsent += bytes(28)
    guest.push()
    assert guest.is_dropped()
    bench.reactor.pass_time(NS_PER_S)
    assert bench.rig.at_rest()
    assert bench.device.open_count == 0


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"\xff\xff\xff\xff", "client flags 0xffffffff"),
        (protocol.client_flags(3) + bytes(16), "option magic"),
        (protocol.client_flags(3) + protocol.option_request(protocol.OPT_EXPORT_NAME, b"nothing"), "nothing"),
    ],
)
def test_a_negotiation_that_fails_is_said(bench: ExportBench, said: bytes, words: str):
    stranger = bench.stranger()
    stranger.unsent += said
    stranger.push()
    assert stranger.is_dropped()
    assert any(line.startswith("guest 1: ") and words in line for line in bench.lines()), bench.lines()


def test_a_client_that_aborts_is_not_worth_a_word(bench: ExportBench):
    stranger = bench.stranger()
    stranger.unsent += protocol.client_flags(3) + protocol.option_request(protocol.OPT_ABORT)
    stranger.push()
    assert stranger.is_dropped()
    assert bench.lines() == []


# Doubt.


def test_doubt_is_for_those_who_had_the_disk_open(bench: ExportBench, guest: Guest):
    """A path answered a flush with an error: some acknowledged write is lost, and no flush vouches for it any more."""
    bystander = bench.guest()
    for path in bench.paths:
        path.driver.answers_are_final = True
        path.driver.script.append(Answer(IOERR))
    assert guest.error(guest.flush()) == protocol.EIO
    for path in bench.paths:
        path.driver.script.clear()
    assert [client.error(client.flush()) for client in (guest, bystander, guest)] == [protocol.EIO] * 3
    assert guest.error(guest.write(0, DATA)) == 0
    newcomer = bench.guest()
    assert newcomer.error(newcomer.flush()) == 0


# The server stops.


def test_stopping_answers_what_was_taken_and_takes_nothing_more(bench: ExportBench, guest: Guest):
    slow(bench)
    idle = bench.guest()
    bench.stranger()
    cookie = guest.write(0, DATA)
    bench.reactor.run(bench.server.stop)
    assert idle.is_dropped()
    guest.ask(CMD_READ, 0, 512)
    guest.push()
    bench.reactor.pass_time(50 * NS_PER_MS)
    assert guest.is_dropped()
    assert guest.replies[cookie].error == 0
    assert len(guest.replies) == 1
    bench.reactor.pass_time(2 * NS_PER_S)
    assert bench.server.connections == []


def test_stopping_and_then_dropping_leaves_nobody(bench: ExportBench, guest: Guest):
    for path in bench.paths:
        path.driver.default = Answer(TIMEOUT, fate=UNKNOWN, silent=True)
    guest.write(0, DATA)
    bench.reactor.run(bench.server.stop)
    bench.reactor.pass_time(10 * NS_PER_S)
    assert len(bench.server.connections) == 1
    bench.reactor.run(lambda: bench.server.drop_all("the server stops"))
    assert guest.is_dropped()
    assert any("guest 1: the server stops" in line for line in bench.lines())


def test_going_at_any_byte_leaves_nothing_behind(make: Make):
    """A client's whole conversation is cut short at every place."""
    bench = make()
    whole = (
        protocol.client_flags(3)
        + protocol.option_request(protocol.OPT_GO, protocol.go_data("d", []))
        + protocol.request_header(CMD_WRITE, 0, 1, 0, 512)
        + DATA[:512]
        + protocol.request_header(CMD_READ, 0, 2, 0, 512)
        + protocol.request_header(protocol.CMD_DISC, 0, 3, 0, 0)
    )
    for end in [*range(110), *range(110, len(whole) + 1, 17), len(whole)]:
        stranger = bench.stranger()
        stranger.unsent += whole[:end]
        stranger.push()
        stranger.hang_up()
        bench.guests.clear()
        assert bench.server.connections == []
        assert bench.device.open_count == 0
        assert bench.server.budget.taken_bytes == 0
    assert not bench.reactor.writers
    assert bench.rig.at_rest()
