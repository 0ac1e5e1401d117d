"""Random streams of commands in random pieces, against a plain array of bytes."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.export_bench import ExportBench

from hawser.block.limits import QueueLimits
from hawser.core.units import KIB
from hawser.nbd import protocol
from hawser.nbd.protocol import CMD_FLUSH, CMD_READ, CMD_TRIM, CMD_WRITE, CMD_WRITE_ZEROES

SIZE = 256 * KIB
COMMANDS = (CMD_READ, CMD_WRITE, CMD_TRIM, CMD_WRITE_ZEROES, CMD_FLUSH)


def lengths(block: int) -> st.SearchStrategy[int]:
    """Small and large ones, whole blocks for the most part."""
    whole = st.integers(1, SIZE // block).map(lambda blocks: blocks * block)
    return st.one_of(st.integers(1, 8).map(lambda blocks: blocks * block), whole, st.integers(0, 3 * block))


def places(block: int) -> st.SearchStrategy[int]:
    return st.one_of(st.integers(0, SIZE // block + 1).map(lambda blocks: blocks * block), st.integers(0, SIZE + block))


@st.composite
def streams(draw: st.DrawFn) -> tuple[str, int, list[tuple[int, int, int]], list[int]]:
    block = draw(st.sampled_from([512, 4096]))
    command = st.tuples(st.sampled_from(COMMANDS), places(block), lengths(block))
    pieces = st.lists(st.integers(1, 100_000), min_size=1, max_size=6)
    return draw(st.sampled_from(["rq", "bio"])), block, draw(st.lists(command, max_size=25)), draw(pieces)


def expected_error(command: int, offset: int, length: int, block: int) -> int:
    if length == 0:
        return protocol.EINVAL
    if offset + length > SIZE:
        return protocol.EINVAL if command == CMD_READ else protocol.ENOSPC
    if command != CMD_READ and (offset | length) % block:
        return protocol.EINVAL
    return 0


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(streams())
def test_a_stream_in_any_pieces_does_what_it_says(stream: tuple[str, int, list[tuple[int, int, int]], list[int]]):
    """Commands that do not wait for each other may pass each other, so each is followed by one that does: this client waits."""
    mode, block, commands, pieces = stream
    limits = QueueLimits(
        logical_block_size=block,
        physical_block_size=block,
        max_sectors=64,
        max_discard_sectors=128,
        max_write_zeroes_sectors=128,
        write_cache=True,
        fua=True,
    )
    bench = ExportBench(mode=mode, size=SIZE, limits=limits, turn_rounds=pieces[0] % 3 + 1)
    guest = bench.guest()
    oracle = bytearray(SIZE)
    for number, (command, offset, length) in enumerate(commands):
        if command == CMD_FLUSH:
            offset = length = 0
        payload = bytes([number % 255 + 1]) * length if command == CMD_WRITE else b""
        cookie = guest.ask(command, offset, length, payload)
        whole = bytes(guest.unsent)
        at = 0
        turn = 0
        while at < len(whole):
            piece = whole[at : at + pieces[turn % len(pieces)]]
            guest.unsent[:] = piece
            bench.reactor.until(guest.push)
            at += len(piece)
            turn += 1
        reply = guest.reply(cookie)
        assert reply.error == (expected_error(command, offset, length, block) if command != CMD_FLUSH else 0)
        if reply.error:
            continue
        if command == CMD_READ:
            assert reply.data == bytes(oracle[offset : offset + length])
        elif command != CMD_FLUSH:
            oracle[offset : offset + length] = payload or bytes(length)
    assert bench.store.data == oracle
    guest.say_goodbye()
    assert guest.is_dropped()
    bench.close()


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["rq", "bio"]),
    st.lists(st.tuples(st.integers(0, 63), st.booleans()), min_size=1, max_size=300),
    st.lists(st.integers(1, 20_000), min_size=1, max_size=6),
)
def test_commands_that_do_not_overlap_may_be_in_flight_together(
    mode: str, slots: list[tuple[int, bool]], pieces: list[int]
):
    """Every slot is written at most once and read before or behind; whatever merges, each reply is the right one."""
    bench = ExportBench(mode=mode, size=SIZE, turn_rounds=1)
    bench.store.data[:] = bytes(n // 4096 for n in range(SIZE))
    guest = bench.guest()
    written: set[int] = set()
    reads: list[tuple[int, int]] = []
    writes: list[tuple[int, int]] = []
    for slot, is_write in slots:
        if is_write and slot not in written and all(slot != other for _, other in reads):
            written.add(slot)
            writes.append((guest.ask(CMD_WRITE, slot * 4096, 4096, bytes([slot + 100]) * 4096), slot))
        elif slot not in written:
            reads.append((guest.ask(CMD_READ, slot * 4096, 4096), slot))
    whole = bytes(guest.unsent)
    at = 0
    turn = 0
    while at < len(whole):
        piece = whole[at : at + pieces[turn % len(pieces)]]
        guest.unsent[:] = piece
        while not guest.push():
            guest.listen()
        at += len(piece)
        turn += 1
    for cookie, slot in reads:
        assert guest.reply(cookie).data == bytes([slot]) * 4096
    assert [guest.error(cookie) for cookie, _ in writes] == [0] * len(writes)
    for slot in range(64):
        wanted = bytes([slot + 100 if slot in written else slot]) * 4096
        assert bytes(bench.store.data[slot * 4096 : slot * 4096 + 4096]) == wanted
    bench.close()
