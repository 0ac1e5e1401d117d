"""Memory is bounded under any client: what is in flight pushes back on its socket, and who does not listen is not listened to."""

from collections.abc import Callable

import pytest
from tests.support.export_bench import ExportBench, Guest

from hawser.block.orphan import PROOF_ANSWER
from hawser.block.queue import REQUEUED_BYTES_MAX
from hawser.block.request import UNKNOWN
from hawser.core.status import TIMEOUT
from hawser.core.units import KIB, MIB, NS_PER_S
from hawser.exports.budget import Budget
from hawser.exports.connection import (
    FENCED_BYTES_MAX,
    FENCED_MAX,
    HANDSHAKE_NS,
    IN_FLIGHT_BYTES_MAX,
    IN_FLIGHT_MAX,
)
from hawser.exports.server import CLIENTS_MAX
from hawser.exports.volume import Volume
from hawser.lab.world import Answer
from hawser.multipath.waiting import PARKED_BYTES_MAX
from hawser.nbd import protocol
from hawser.nbd.protocol import CMD_READ, CMD_WRITE

Make = Callable[..., ExportBench]


def hold_answers(bench: ExportBench) -> None:
    for path in bench.paths:
        path.driver.default = Answer(silent=True)


def give_answers(bench: ExportBench) -> None:
    def call() -> None:
        for path in bench.paths:
            path.driver.default = Answer()
            path.driver.deliver_all(Answer())

    bench.reactor.run(call)
    bench.reactor.settle()


def is_read_from(bench: ExportBench, number: int = 0) -> bool:
    return bench.server.connections[number].fd in bench.reactor.readers


@pytest.fixture
def bench(make: Make) -> ExportBench:
    return make(depth=4096, size=64 * MIB)


@pytest.fixture
def guest(bench: ExportBench) -> Guest:
    return bench.guest()


def haunt(bench: ExportBench, guest: Guest) -> None:
    """A write to the first block is acknowledged; its ghost is about."""
    bench.paths[0].driver.script.append(Answer(TIMEOUT, fate=UNKNOWN, lands=False))
    assert guest.error(guest.write(0, bytes(512))) == 0


def lay_ghosts(bench: ExportBench) -> None:
    bench.reactor.run(lambda: bench.paths[0].driver.settle(PROOF_ANSWER))
    bench.reactor.settle()


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_what_waits_behind_a_fence_leaves_room_for_the_rest(make: Make, mode: str):
    bench = make(depth=4096, size=64 * MIB, mode=mode)
    guest = bench.guest()
    haunt(bench, guest)
    fenced = [guest.ask(CMD_WRITE, 0, 512, bytes(512)) for _ in range(FENCED_MAX)]
    guest.push()
    assert bench.server.connections[0].fenced == FENCED_MAX
    assert guest.error(guest.read(8192, 512)) == 0
    hold_answers(bench)
    cookies = [guest.ask(CMD_READ, n * 8192, 512) for n in range(1, 2 * IN_FLIGHT_MAX)]
    guest.push()
    assert bench.server.connections[0].in_flight == FENCED_MAX + IN_FLIGHT_MAX
    give_answers(bench)
    lay_ghosts(bench)
    assert [guest.error(cookie) for cookie in fenced + cookies] == [0] * (FENCED_MAX + len(cookies))
    assert (bench.server.connections[0].fenced, bench.server.connections[0].fenced_bytes) == (0, 0)


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_what_waits_behind_a_fence_is_limited_too(make: Make, mode: str):
    bench = make(depth=4096, size=64 * MIB, mode=mode)
    guest = bench.guest()
    haunt(bench, guest)
    fenced = [guest.ask(CMD_WRITE, 0, 512, bytes(512)) for _ in range(4 * FENCED_MAX)]
    guest.push()
    assert bench.server.connections[0].in_flight == FENCED_MAX + IN_FLIGHT_MAX
    assert not is_read_from(bench)
    lay_ghosts(bench)
    assert [guest.error(cookie) for cookie in fenced] == [0] * len(fenced)
    assert is_read_from(bench)


def test_bytes_behind_a_fence_leave_room_for_the_rest(make: Make):
    """Bio-based: request-based, large writes are cut before they come to the fence, and only the parts that overlap wait."""
    bench = make(depth=4096, size=64 * MIB, mode="bio")
    guest = bench.guest()
    haunt(bench, guest)
    size = 16 * MIB
    fenced = [guest.ask(CMD_WRITE, 0, size, bytes(size)) for _ in range(FENCED_BYTES_MAX // size)]
    guest.push()
    assert bench.server.connections[0].fenced_bytes == FENCED_BYTES_MAX
    assert guest.error(guest.write(32 * MIB, bytes(size))) == 0
    lay_ghosts(bench)
    assert [guest.error(cookie) for cookie in fenced] == [0] * len(fenced)


def test_so_many_commands_in_flight_and_no_more(bench: ExportBench, guest: Guest):
    hold_answers(bench)
    cookies = [guest.ask(CMD_READ, n * 8192, 512) for n in range(2 * IN_FLIGHT_MAX)]
    guest.push()
    connection = bench.server.connections[0]
    assert connection.in_flight == IN_FLIGHT_MAX
    assert not is_read_from(bench)
    give_answers(bench)
    assert [guest.error(cookie) for cookie in cookies] == [0] * len(cookies)
    assert (connection.in_flight, connection.in_flight_bytes) == (0, 0)
    assert is_read_from(bench)


def test_so_many_bytes_in_flight_and_no_more(bench: ExportBench, guest: Guest):
    hold_answers(bench)
    for _ in range(8):
        guest.ask(CMD_READ, 0, 16 * MIB)
    guest.push()
    connection = bench.server.connections[0]
    assert connection.in_flight_bytes == IN_FLIGHT_BYTES_MAX
    assert not is_read_from(bench)
    guest.hang_up()
    assert bench.server.connections == [], "its end is seen all the same"
    give_answers(bench)
    assert bench.server.budget.taken_bytes == 0


def test_a_large_payload_waits_outside_until_there_is_room(bench: ExportBench, guest: Guest):
    hold_answers(bench)
    writes = [guest.ask(CMD_WRITE, n * 24 * MIB, 24 * MIB, bytes([n]) * (24 * MIB)) for n in range(2)]
    last = guest.ask(CMD_WRITE, 0, 16 * MIB + 512, b"L" * (16 * MIB + 512))
    bench.reactor.until(lambda: guest.push() or len(guest.unsent) < 16 * MIB + 512)
    connection = bench.server.connections[0]
    assert connection.in_flight == 2
    assert not is_read_from(bench)
    assert not guest.push()
    give_answers(bench)
    assert [guest.error(cookie) for cookie in [*writes, last]] == [0, 0, 0]
    assert bench.server.budget.taken_bytes == 0


def test_a_client_that_does_not_listen_is_not_listened_to(bench: ExportBench, guest: Guest):
    cookies = [guest.ask(CMD_READ, 0, MIB) for _ in range(64)]
    guest.push()
    connection = bench.server.connections[0]
    assert not is_read_from(bench)
    assert connection.fd in bench.reactor.writers
    bench.reactor.pass_time(3600 * NS_PER_S)
    guest.listen()
    assert len(guest.replies) < 64
    assert [guest.error(cookie) for cookie in cookies] == [0] * 64
    assert is_read_from(bench)
    assert connection.fd not in bench.reactor.writers


def test_errors_alone_fill_no_memory(bench: ExportBench, guest: Guest):
    """Their replies are small, and nothing is in flight: the client is read from only as it takes them."""
    cookies = [guest.ask(CMD_READ, 1 << 60, 512) for _ in range(100_000)]
    guest.push()
    assert guest.unsent
    assert not is_read_from(bench)
    assert {guest.error(cookie) for cookie in cookies} == {protocol.EINVAL}


def test_a_client_that_asks_about_options_without_reading_goes_on_when_it_reads(bench: ExportBench):
    """While it negotiates, too, it is read from again once it has taken its replies."""
    for n in range(100):
        bench.server.exports.add(Volume(f"{n:04000}", bench.device))
    guest = bench.stranger()
    guest.unsent += protocol.client_flags(3) + 5 * protocol.option_request(protocol.OPT_LIST)
    guest.push()
    assert not is_read_from(bench)
    guest.unsent += protocol.option_request(protocol.OPT_EXPORT_NAME, b"d")
    guest.push()

    def opened() -> bool:
        guest.listen()
        bench.reactor.settle()
        return bench.server.connections[0].volume is not None

    bench.reactor.until(opened)


# A device without a path.


PATHLESS_BYTES = {"rq": REQUEUED_BYTES_MAX, "bio": PARKED_BYTES_MAX}
MODES = ["rq", "bio"]


def pathless(make: Make, mode: str) -> ExportBench:
    """Its only path has failed, and I/O queues for as long as it takes."""
    bench = make(depth=4096, size=192 * MIB, mode=mode, paths=1, features="queue_if_no_path")
    bench.rig.message("fail_path 259:0")
    return bench


def lead_back(bench: ExportBench) -> None:
    bench.reactor.run(lambda: bench.rig.message("reinstate_path 259:0"))
    bench.reactor.settle()


def ask_for(guests: list[Guest], command: int, count: int, size: int) -> list[list[int]]:
    """So many commands of each guest, as far as the server takes them; time passes, so that what waits is tried again."""
    payload = bytes(size) if command == CMD_WRITE else b""
    cookies = [
        [guest.ask(command, (number * count + n) * size, size, payload) for n in range(count)]
        for number, guest in enumerate(guests)
    ]
    for _ in range(3):
        for guest in guests:
            guest.push()
        guests[0].bench.reactor.pass_time(NS_PER_S)
    return cookies


@pytest.mark.parametrize("size", [8 * MIB, 128 * KIB])
@pytest.mark.parametrize("mode", MODES)
def test_what_waits_for_a_path_is_limited_in_bytes_for_all_clients_together(make: Make, mode: str, size: int):
    """Each client alone may have as much in flight; together they wait outside."""
    bench = pathless(make, mode)
    guests = [bench.guest(), bench.guest()]
    asked = ask_for(guests, CMD_WRITE, 40 * MIB // size, size)
    # One more command each, and what is in a batch.
    assert 0 <= bench.server.budget.taken_bytes - PATHLESS_BYTES[mode] <= 2 * (size + 256 * KIB)
    assert guests[1].unsent
    assert not is_read_from(bench, 1)
    assert bench.sent() == []
    lead_back(bench)
    for guest, cookies in zip(guests, asked, strict=True):
        assert [guest.error(cookie) for cookie in cookies] == [0] * len(cookies)
    assert bench.server.budget.taken_bytes == 0
    assert is_read_from(bench, 0) and is_read_from(bench, 1)


@pytest.mark.parametrize("mode", MODES)
def test_who_hangs_up_while_nobody_reads_from_it_is_seen(make: Make, mode: str):
    """What is not dispatched dies with its client; the other one goes on when there is a path."""
    bench = pathless(make, mode)
    guests = [bench.guest(), bench.guest()]
    asked = ask_for(guests, CMD_READ, 12, 8 * MIB)
    assert not is_read_from(bench, 0) and not is_read_from(bench, 1)
    guests[0].hang_up()
    assert len(bench.server.connections) == 1
    assert bench.server.budget.taken_bytes < PATHLESS_BYTES[mode]
    guests[1].hang_up()
    assert bench.server.connections == []
    assert bench.server.budget.taken_bytes == 0
    assert bench.device.idle() and not bench.device.congested()
    last = bench.guest()
    cookies = [last.read(n * MIB, MIB) for n in range(2)]
    assert bench.server.connections[0].in_flight == 2
    lead_back(bench)
    assert [last.error(cookie) for cookie in cookies] == [0, 0] and len(asked) == 2


@pytest.mark.parametrize("mode", MODES)
def test_a_third_client_may_ask_for_one_thing(make: Make, mode: str):
    """It has to have something in flight whose end lets it go on."""
    bench = pathless(make, mode)
    ask_for([bench.guest(), bench.guest()], CMD_READ, 12, 8 * MIB)
    late = bench.guest()
    cookies = [late.ask(CMD_WRITE, n * MIB, MIB, bytes(MIB)) for n in range(4)]
    late.push()
    bench.reactor.pass_time(NS_PER_S)
    assert bench.server.connections[2].in_flight == 1
    assert not is_read_from(bench, 2)
    lead_back(bench)
    assert [late.error(cookie) for cookie in cookies] == [0] * 4


@pytest.mark.parametrize("mode", MODES)
def test_turning_queueing_off_ends_it(make: Make, mode: str):
    bench = pathless(make, mode)
    asked = ask_for([bench.guest(), bench.guest()], CMD_READ, 12, 8 * MIB)
    bench.reactor.run(lambda: bench.rig.message("fail_if_no_path"))
    bench.reactor.settle()
    for guest, cookies in zip(bench.guests, asked, strict=True):
        assert [guest.error(cookie) for cookie in cookies] == [protocol.EIO] * 12
    assert bench.server.budget.taken_bytes == 0


# What all clients share.


def test_a_budget():
    budget = Budget(100)
    assert budget.take(1000), "an empty one grants anything, or who asks would wait for ever"
    assert not budget.take(1)
    budget.give(1000)
    assert budget.take(60) and not budget.take(41) and budget.take(40)
    assert not budget.is_plentiful()
    budget.give(50)
    assert budget.is_plentiful()


def test_clients_share_a_budget_and_all_come_to_their_turn(bench: ExportBench):
    bench.server.budget.limit_bytes = 4 * MIB
    hold_answers(bench)
    guests = [bench.guest() for _ in range(4)]
    cookies = [[guest.ask(CMD_READ, n * MIB, MIB) for n in range(6)] for guest in guests]
    for guest in guests:
        guest.push()
    assert bench.server.budget.taken_bytes <= 4 * MIB + len(guests) * MIB
    give_answers(bench)
    for guest, asked in zip(guests, cookies, strict=True):
        assert [guest.error(cookie) for cookie in asked] == [0] * 6
    assert bench.server.budget.taken_bytes == 0


def test_large_payloads_share_the_budget_too(bench: ExportBench):
    bench.server.budget.limit_bytes = 4 * MIB
    hold_answers(bench)
    guests = [bench.guest() for _ in range(3)]
    cookies = [guest.ask(CMD_WRITE, n * 4 * MIB, 3 * MIB, bytes([n + 1]) * (3 * MIB)) for n, guest in enumerate(guests)]
    for _ in range(20):
        for guest in guests:
            guest.push()
    assert bench.server.budget.taken_bytes <= 4 * MIB
    assert sum(not guest.unsent for guest in guests) == 1
    give_answers(bench)
    assert [guest.error(cookie) for guest, cookie in zip(guests, cookies, strict=True)] == [0] * 3
    assert bench.server.budget.taken_bytes == 0


def test_what_was_reserved_for_a_payload_is_given_back_when_its_client_goes(bench: ExportBench):
    guest = bench.guest()
    guest.ask(CMD_WRITE, 0, 8 * MIB, bytes(MIB))
    guest.push()
    assert bench.server.budget.taken_bytes == 8 * MIB
    guest.hang_up()
    assert bench.server.budget.taken_bytes == 0
    assert bench.sent() == []


def test_a_client_that_waits_for_memory_may_go(bench: ExportBench):
    bench.server.budget.limit_bytes = MIB
    hold_answers(bench)
    greedy, waiting = bench.guest(), bench.guest()
    cookie = greedy.read(0, MIB)
    waiting.read(0, MIB)
    waiting.hang_up()
    give_answers(bench)
    assert greedy.error(cookie) == 0
    assert bench.server.budget.taken_bytes == 0


def test_many_clients_at_once(bench: ExportBench):
    guests = [bench.guest() for _ in range(40)]
    cookies = [guest.write(n * 4096, bytes([n]) * 4096) for n, guest in enumerate(guests)]
    assert [guest.error(cookie) for guest, cookie in zip(guests, cookies, strict=True)] == [0] * 40
    reads = [guest.read((39 - n) * 4096, 4096) for n, guest in enumerate(guests)]
    for n, (guest, cookie) in enumerate(zip(guests, reads, strict=True)):
        assert guest.reply(cookie).data == bytes([39 - n]) * 4096
    assert bench.device.open_count == 40


def test_there_is_an_end_to_how_many(make: Make):
    bench = make(size=64 * KIB)
    for _ in range(CLIENTS_MAX):
        bench.stranger()
    surplus = bench.stranger()
    assert surplus.is_dropped()
    assert any(f"refused, {CLIENTS_MAX} clients are connected" in line for line in bench.lines())
    bench.guests[0].hang_up()
    guest = bench.guest()
    assert guest.error(guest.read(0, 512)) == 0


def test_who_does_not_choose_an_export_is_shown_out(bench: ExportBench):
    silent, talker = bench.stranger(), bench.guest()
    bench.reactor.pass_time(HANDSHAKE_NS - 1)
    assert not silent.is_dropped()
    bench.reactor.pass_time(1)
    assert silent.is_dropped()
    assert any("no export chosen within 30 s" in line for line in bench.lines())
    bench.reactor.pass_time(HANDSHAKE_NS)
    assert talker.error(talker.read(0, 512)) == 0
