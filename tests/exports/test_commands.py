"""Every command of a client, as the device below sees it and as the client hears of it."""

from collections.abc import Callable

import pytest
from tests.support.export_bench import ExportBench, Guest

from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD, FAILFAST_MASK, FLUSH, FUA, NOUNMAP, READ, WRITE, WRITE_ZEROES
from hawser.block.request import Request
from hawser.core.clock import Timers
from hawser.core.status import IOERR, MEDIUM, NOSPC, TARGET
from hawser.core.turn import Turn
from hawser.core.units import KIB, MIB
from hawser.lab.world import Answer, RamDriver, Store
from hawser.nbd import protocol

DATA = bytes(range(256)) * 16
Make = Callable[..., ExportBench]


class FlagDriver(RamDriver):
    """Keeps (operation, flags) of each request."""

    def __init__(self, name: str, store: Store, turn: Turn, timers: Timers) -> None:
        super().__init__(name, store, turn, timers)
        self.seen: list[tuple[int, int]] = []

    def queue_rq(self, request: Request) -> int:
        self.seen.append((request.op, request.flags))
        return super().queue_rq(request)


@pytest.fixture(params=["rq", "bio"])
def bench(request: pytest.FixtureRequest, make: Make) -> ExportBench:
    return make(mode=request.param)


@pytest.fixture
def guest(bench: ExportBench) -> Guest:
    return bench.guest()


def test_what_the_export_says_of_itself(make: Make):
    export = make(size=2 * MIB).stranger().negotiate()
    assert (export.size_bytes, export.block_min, export.block_preferred) == (2 * MIB, 512, 4096)
    wanted = (
        protocol.FLAG_CAN_MULTI_CONN
        | protocol.FLAG_SEND_FLUSH
        | protocol.FLAG_SEND_FUA
        | protocol.FLAG_SEND_TRIM
        | protocol.FLAG_SEND_WRITE_ZEROES
    )
    assert export.flags & wanted == wanted
    assert not export.flags & protocol.FLAG_READ_ONLY


def test_what_paths_do_not_offer_is_not_exported(make: Make):
    export = make(limits=QueueLimits(), read_only=True).stranger().negotiate()
    assert export.flags & protocol.FLAG_READ_ONLY
    for flag in (protocol.FLAG_SEND_FLUSH, protocol.FLAG_SEND_TRIM, protocol.FLAG_SEND_WRITE_ZEROES):
        assert not export.flags & flag


def test_the_commands(bench: ExportBench, guest: Guest):
    cookies = [guest.write(4096, DATA), guest.read(4096, 4096), guest.flush()]
    assert [guest.error(cookie) for cookie in cookies] == [0, 0, 0]
    assert guest.reply(cookies[1]).data == DATA
    assert guest.error(guest.zero(4096, 512)) == 0
    assert guest.error(guest.trim(8192 - 512, 512)) == 0
    assert bytes(bench.store.data[4096:8192]) == bytes(512) + DATA[512:-512] + bytes(512)
    assert [op for op, _, _ in sorted(bench.sent())] == [READ, WRITE, FLUSH, DISCARD, WRITE_ZEROES]


def test_flags_reach_the_device_where_they_mean_something(make: Make):
    bench = make(paths=1, make_driver=FlagDriver)
    guest = bench.guest()
    fua, no_hole = protocol.CMD_FLAG_FUA, protocol.CMD_FLAG_NO_HOLE
    cookies = [
        guest.write(0, DATA, fua),
        guest.read(0, 512, fua),
        guest.trim(0, 512, fua),
        guest.zero(0, 512, no_hole),
        guest.zero(0, 512, no_hole | fua),
        guest.write(0, DATA),
    ]
    assert [guest.error(cookie) for cookie in cookies] == [0] * 6
    driver = bench.paths[0].driver
    assert isinstance(driver, FlagDriver)
    assert [(op, flags & ~FAILFAST_MASK) for op, flags in driver.seen] == [
        (WRITE, FUA),
        (READ, 0),
        (DISCARD, FUA),
        (WRITE_ZEROES, NOUNMAP),
        (WRITE_ZEROES, NOUNMAP | FUA),
        (WRITE, 0),
    ]


@pytest.mark.parametrize(
    ("command", "offset", "length", "error"),
    [
        (protocol.CMD_READ, MIB, 512, protocol.EINVAL),
        (protocol.CMD_READ, MIB - 512, 1024, protocol.EINVAL),
        (protocol.CMD_READ, (1 << 64) - 512, 512, protocol.EINVAL),
        (protocol.CMD_READ, 0, 0, protocol.EINVAL),
        (protocol.CMD_READ, 0, (32 * MIB) + 1, protocol.EINVAL),
        (protocol.CMD_WRITE, MIB, 512, protocol.ENOSPC),
        (protocol.CMD_WRITE, 1, 512, protocol.EINVAL),
        (protocol.CMD_WRITE, 0, 511, protocol.EINVAL),
        (protocol.CMD_WRITE, 0, 0, protocol.EINVAL),
        (protocol.CMD_TRIM, MIB - 512, 1024, protocol.ENOSPC),
        (protocol.CMD_TRIM, 100, 512, protocol.EINVAL),
        (protocol.CMD_WRITE_ZEROES, MIB, 512, protocol.ENOSPC),
        (protocol.CMD_WRITE_ZEROES, 0, 4294966784, protocol.ENOSPC),
        (protocol.CMD_FLUSH, 512, 0, protocol.EINVAL),
        (protocol.CMD_FLUSH, 0, 512, protocol.EINVAL),
        (protocol.CMD_CACHE, 0, 512, protocol.EINVAL),
        (protocol.CMD_BLOCK_STATUS, 0, 512, protocol.EINVAL),
        (99, 0, 512, protocol.EINVAL),
    ],
)
def test_what_cannot_be_is_answered_and_reaches_no_path(make: Make, command: int, offset: int, length: int, error: int):
    bench = make()
    guest = bench.guest()
    payload = bytes(length) if command == protocol.CMD_WRITE else b""
    cookie = guest.ask(command, offset, length, payload)
    assert guest.error(cookie) == error
    assert bench.sent() == []
    assert guest.error(guest.read(0, 512)) == 0, "and the client goes on"


def test_a_disk_that_may_not_be_written(make: Make):
    bench = make(read_only=True)
    guest = bench.guest()
    refused = [guest.write(0, DATA), guest.trim(0, 512), guest.zero(0, 512)]
    assert [guest.error(cookie) for cookie in refused] == [protocol.EPERM] * 3
    assert [guest.error(guest.read(0, 512)), guest.error(guest.flush())] == [0, 0]


@pytest.mark.parametrize(
    ("status", "error"),
    [(NOSPC, protocol.ENOSPC), (MEDIUM, protocol.EIO), (TARGET, protocol.EIO), (IOERR, protocol.EIO)],
)
def test_what_a_path_answers_is_told_in_the_protocols_words(make: Make, status: int, error: int):
    bench = make(paths=1)
    bench.paths[0].driver.answers_are_final = True
    guest = bench.guest()
    bench.paths[0].driver.script.append(Answer(status))
    assert guest.error(guest.read(0, 512)) == error
    assert guest.error(guest.read(0, 512)) == 0


# Block sizes.


@pytest.fixture
def large_blocks(make: Make) -> ExportBench:
    limits = QueueLimits(logical_block_size=4096, physical_block_size=4096, write_cache=True, fua=True)
    bench = make(limits=limits)
    bench.store.data[:] = bytes((n * 7 + n // 512) % 256 for n in range(MIB))
    return bench


def test_a_disk_of_large_blocks_says_so(large_blocks: ExportBench):
    export = large_blocks.stranger().negotiate()
    assert (export.block_min, export.block_preferred) == (4096, 4096)


@pytest.mark.parametrize(
    ("offset", "length", "sent"),
    [
        (0, 4096, (0, 4096)),
        (512, 512, (0, 4096)),
        (1, 1, (0, 4096)),
        (4095, 2, (0, 8192)),
        (4096, 4097, (8, 8192)),
        (100, 12288, (0, 16384)),
        (MIB - 1, 1, (2040, 4096)),
    ],
)
def test_a_read_between_blocks_is_widened_and_its_answer_cut(
    large_blocks: ExportBench, offset: int, length: int, sent: tuple[int, int]
):
    guest = large_blocks.guest()
    reply = guest.reply(guest.read(offset, length))
    assert (reply.error, reply.data) == (0, bytes(large_blocks.store.data[offset : offset + length]))
    assert [(sector, size) for _, sector, size in large_blocks.sent()] == [sent]


def test_a_write_between_blocks_is_refused(large_blocks: ExportBench):
    guest = large_blocks.guest()
    for cookie in (
        guest.write(512, bytes(4096)),
        guest.write(4096, bytes(512)),
        guest.zero(0, 512),
        guest.trim(1, 4096),
    ):
        assert guest.error(cookie) == protocol.EINVAL
    assert large_blocks.sent() == []


def test_a_widened_read_that_fails_is_an_error(large_blocks: ExportBench):
    for path in large_blocks.paths:
        path.driver.default = Answer(MEDIUM)
    guest = large_blocks.guest()
    assert guest.error(guest.read(1, 1)) == protocol.EIO


# Batches.


def test_what_one_socket_held_is_one_plug_and_merges(bench: ExportBench, guest: Guest):
    cookies = [guest.ask(protocol.CMD_WRITE, n * 4096, 4096, bytes([n]) * 4096) for n in range(8)]
    guest.push()
    assert [guest.error(cookie) for cookie in cookies] == [0] * 8
    assert bytes(bench.store.data[: 32 * KIB]) == b"".join(bytes([n]) * 4096 for n in range(8))
    if bench.device.queue is not None:
        assert bench.sent() == [(WRITE, 0, 32 * KIB)]


@pytest.mark.parametrize("rounds", [1, 16])
def test_more_commands_in_one_buffer_than_a_batch_takes(make: Make, rounds: int):
    """9,000 reads are asked for at once; they fill the receive buffer, and are answered batch by batch."""
    bench = make(turn_rounds=rounds)
    guest = bench.guest()
    cookies = [guest.ask(protocol.CMD_READ, n % 2048 * 512, 512) for n in range(20000)]
    for cookie in cookies:
        assert guest.error(cookie) == 0
    assert not guest.is_dropped()


def test_large_writes_and_reads(bench: ExportBench, guest: Guest):
    data = bytes(range(256)) * (MIB // 256)
    for _ in range(3):
        assert guest.error(guest.write(0, data)) == 0
    reply = guest.reply(guest.read(0, MIB))
    assert reply.data == data


def test_requests_in_crumbs(bench: ExportBench, guest: Guest):
    cookies = [guest.ask(protocol.CMD_WRITE, 0, 4096, DATA), guest.ask(protocol.CMD_READ, 0, 4096)]
    whole = bytes(guest.unsent)
    for at in range(0, len(whole), 97):
        guest.unsent[:] = whole[at : at + 97]
        guest.push()
    assert guest.error(cookies[0]) == 0
    assert guest.reply(cookies[1]).data == DATA


def test_commands_in_the_packet_that_ends_the_handshake(bench: ExportBench):
    guest = bench.stranger()
    guest._recv()
    guest.received.clear()
    guest.unsent += protocol.client_flags(3) + protocol.option_request(protocol.OPT_EXPORT_NAME, b"d")
    cookie = guest.ask(protocol.CMD_READ, 0, 512)
    guest.push()
    guest._recv()
    del guest.received[: protocol.EXPORT_SUMMARY.size]
    guest.is_open = True
    assert guest.reply(cookie).data == bytes(512)
