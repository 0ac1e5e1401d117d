"""The two hooks of completion, row by row: what the submitter sees at once, and what is tried again.

`seeds.md` 3.10, S1-D3, S1-D9, S1-D11.

Four bios of 4 KiB merge into one request. The lower driver ends it in parts, as the kernel's do with blk_update_request().
"""

import pytest

from hawser.block.bio import Bio
from hawser.block.ops import READ, WRITE
from hawser.block.request import Request
from hawser.core.clock import Timers
from hawser.core.status import IOERR, MEDIUM, NOSPC, OK, TRANSPORT
from hawser.core.turn import Turn
from hawser.core.units import KIB, NS_PER_MS
from hawser.dm.request_based import RequestStack
from hawser.lab.world import Answer, RamDriver, Rig, Store, World, make_multipath
from hawser.multipath.target import Multipath

SIZE = 4 * KIB
DATA = bytes(range(256)) * (4 * SIZE // 256)

Parts = list[tuple[int, int]]


class Piecemeal(RamDriver):
    """Carries out requests in the parts of `plan` (status, bytes), the first ones; then whole."""

    def __init__(self, name: str, store: Store, turn: Turn, timers: Timers) -> None:
        super().__init__(name, store, turn, timers)
        self.plan: list[Parts] = []
        self.consumed: list[Bio] = []

    def queue_rq(self, request: Request) -> int:
        if not self.plan:
            return super().queue_rq(request)
        self.sent.append((request.op, request.sector, request.size))
        start = at = request.sector * 512
        payload = b"".join(request.payload()) if request.op == WRITE else b""
        # What a driver consumes is its own.
        self.consumed = request.own_bios()
        for bio in self.consumed:
            bio.done = bio.size
        for status, size in self.plan.pop(0):
            data = None
            if status == OK and request.op == WRITE:
                self.store.data[at : at + size] = payload[at - start : at - start + size]
            elif status == OK:
                data = bytes(self.store.data[at : at + size])
            more = request.end_part(status, size, data)
            at += size
        assert not more
        self.complete(request)
        return OK


def make(op: int, parts: Parts, mode: str = "rq") -> tuple[Rig, list[Bio]]:
    """Two paths; the first one ends the request in these parts."""
    rig = make_multipath(World(), mode=mode, selector="service-time 0", make_driver=Piecemeal)
    if op == READ:
        rig.store.data[: len(DATA)] = DATA
    driver = rig.paths[0].driver
    assert isinstance(driver, Piecemeal)
    driver.plan.append(parts)
    bios = [
        Bio(op, 8 * number, SIZE, rig.client, DATA[number * SIZE :][:SIZE] if op == WRITE else None)
        for number in range(4)
    ]
    return rig, bios


def until_the_first_answer(rig: Rig, bios: list[Bio]) -> list[bool]:
    """Submit, and let the first path's answer come up, while the second takes its time; who was told?"""
    rig.paths[1].driver.default = Answer(delay_ns=NS_PER_MS)
    rig.client.submit(bios)
    rig.world.settle()
    told = [bio.finished for bio in bios]
    rig.world.run()
    return told


ROWS = {
    "all succeed": ([(OK, 4 * SIZE)], [True] * 4, None),
    "all succeed, one by one": ([(OK, SIZE)] * 4, [True] * 4, None),
    "the third fails": ([(OK, 2 * SIZE), (TRANSPORT, 2 * SIZE)], [True, True, False, False], (16, 2 * SIZE)),
    "the first fails, the next two succeed": (
        [(TRANSPORT, SIZE), (OK, 2 * SIZE), (OK, SIZE)],
        [False] * 4,
        (0, 4 * SIZE),
    ),
    "the first is done by half": ([(OK, SIZE // 2), (TRANSPORT, 4 * SIZE - SIZE // 2)], [False] * 4, (0, 4 * SIZE)),
    "the second is done by half": (
        [(OK, SIZE), (OK, SIZE // 2), (TRANSPORT, 3 * SIZE - SIZE // 2)],
        [True, False, False, False],
        (8, 3 * SIZE),
    ),
    "the last fails": ([(OK, 3 * SIZE), (TRANSPORT, SIZE)], [True, True, True, False], (24, SIZE)),
    "a later one succeeds": (
        [(OK, SIZE), (TRANSPORT, SIZE), (OK, 2 * SIZE)],
        [True, False, False, False],
        (8, 3 * SIZE),
    ),
}


@pytest.mark.parametrize("op", [READ, WRITE], ids=["read", "write"])
@pytest.mark.parametrize("row", list(ROWS))
def test_a_row_of_the_table(row: str, op: int):
    parts, told, retried = ROWS[row]
    rig, bios = make(op, parts)
    assert until_the_first_answer(rig, bios) == told
    assert rig.paths[1].driver.sent == ([] if retried is None else [(op, *retried)])
    assert [bio.status for bio in bios] == [OK] * 4
    assert rig.store.data[: len(DATA)] == DATA
    if op == READ:
        assert b"".join(bio.data or b"" for bio in bios) == DATA
    assert rig.letters() == ("AA" if retried is None else "FA")
    assert rig.at_rest()


@pytest.mark.parametrize("op", [READ, WRITE], ids=["read", "write"])
@pytest.mark.parametrize("status", [MEDIUM, NOSPC])
def test_an_error_that_is_no_paths_is_told_of_the_rest(op: int, status: int):
    rig, bios = make(op, [(OK, 2 * SIZE), (status, 2 * SIZE)])
    rig.client.submit(bios)
    rig.world.run()
    assert [bio.status for bio in bios] == [OK, OK, status, status]
    assert (rig.letters(), rig.paths[1].driver.sent) == ("AA", [])
    if op == READ:
        assert [bio.data for bio in bios[:2]] == [DATA[:SIZE], DATA[SIZE : 2 * SIZE]]


def test_bio_based_each_bio_has_what_was_said_of_its_own_bytes():
    """There only the bio's end is hooked: of a request that merged below, a bio that succeeded has, whatever failed before it."""
    rig = make_multipath(World(), mode="bio", paths=1, make_driver=Piecemeal)
    driver = rig.paths[0].driver
    assert isinstance(driver, Piecemeal)
    rig.store.data[: len(DATA)] = DATA
    driver.plan.append([(OK, SIZE), (MEDIUM, SIZE), (OK, 2 * SIZE)])
    bios = rig.client.submit([Bio(READ, 8 * number, SIZE, rig.client) for number in range(4)])
    rig.world.run()
    assert [bio.status for bio in bios] == [OK, MEDIUM, OK, OK]
    assert b"".join(bio.data or b"" for bio in bios[2:]) == DATA[2 * SIZE :]


def test_a_clones_bios_are_its_own_and_share_the_data():
    """S1-D11: what a driver does to them does not change the original's."""
    rig, bios = make(WRITE, [(OK, 4 * SIZE)])
    for bio in bios:
        bio.segments = 2
    rig.client.submit(bios)
    driver = rig.paths[0].driver
    assert isinstance(driver, Piecemeal)
    assert len(driver.consumed) == 4
    assert not {id(bio) for bio in driver.consumed} & {id(bio) for bio in bios}
    assert [copy.data is bio.data for copy, bio in zip(driver.consumed, bios, strict=True)] == [True] * 4
    assert [copy.segments for copy in driver.consumed] == [2] * 4
    assert [(copy.done, bio.done) for copy, bio in zip(driver.consumed, bios, strict=True)] == [(SIZE, 0)] * 4
    rig.world.run()
    assert [bio.status for bio in bios] == [OK] * 4


def test_without_the_hook_at_the_end_of_a_bio_the_error_reaches_the_submitter():
    """S1-D9: "Why does request-based dm use bio->bi_end_io(), too?" Because the requests' hook comes too late."""
    rig, bios = make(WRITE, [(TRANSPORT, 4 * SIZE)])
    stack = rig.device.stack()
    assert isinstance(stack, RequestStack)
    stack.bio_hook = False
    rig.client.submit(bios)
    rig.world.run()
    assert [bio.status for bio in bios] == [TRANSPORT] * 4
    assert (rig.letters(), rig.paths[1].driver.sent) == ("FA", []), (
        "the path was failed, but nothing is left to send again"
    )
    assert rig.at_rest()


def test_the_selector_gets_back_what_it_was_told_at_the_start():
    """Accounting goes by the size at map time, not by what was left."""
    rig, bios = make(WRITE, [(OK, 2 * SIZE), (IOERR, 2 * SIZE)])
    rig.client.submit(bios)
    rig.world.run()
    target = rig.device.live_targets()[0]
    assert isinstance(target, Multipath)
    assert [path.in_flight_bytes for path in target.state.paths] == [0, 0]
