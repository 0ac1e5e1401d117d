"""The whole way of a request, with random errors on it: dequeued, cloned, mapped, dispatched, completed in part, requeued, held
back by suspends (S1-09). Everything ends once, well, and what is read is what was written."""

import random
from dataclasses import replace

import pytest
from tests.dm.controls import suspend

from hawser.block.bio import Bio
from hawser.block.ops import READ, WRITE
from hawser.block.request import Request
from hawser.core.status import OFFLINE, OK, RESOURCE, TIMEOUT, TRANSPORT
from hawser.core.units import KIB, MIB, NS_PER_MS, NS_PER_S
from hawser.lab.world import Answer, RamDriver, Rig, World, make_multipath

BLOCK = 4 * KIB
BLOCKS = MIB // BLOCK
ERRORS = (TRANSPORT, TIMEOUT, OFFLINE, RESOURCE)
ROUNDS = 60
# No outage takes longer than paths take to be reinstated.
RETRIES_NS = NS_PER_S


def answer(dice: random.Random) -> Answer:
    """Every other command fails, after any number of whole blocks, some of them in the middle of one."""
    delay_ns = dice.choice((0, NS_PER_MS, 3 * NS_PER_MS))
    if dice.randrange(2):
        return Answer(delay_ns=delay_ns)
    good = dice.choice((0, BLOCK, 2 * BLOCK, 2 * BLOCK + 512))
    return Answer(dice.choice(ERRORS), good, delay_ns=delay_ns)


class Partial(RamDriver):
    """Of what is shorter than its good part nothing is good."""

    def deliver(self, request: Request, answer: Answer) -> None:
        too_much = answer.status != OK and (answer.good_bytes or 0) >= request.size
        super().deliver(request, replace(answer, good_bytes=0) if too_much else answer)


class Erring:
    """A map with queue_if_no_path over four paths, which are reinstated once in a while."""

    def __init__(self, mode: str, seed: int) -> None:
        self.dice = random.Random(seed)
        self.rig: Rig = make_multipath(
            World(), paths=2, groups=2, mode=mode, features="queue_if_no_path", depth=4, make_driver=Partial
        )
        self.blocks = [bytes(BLOCK)] * BLOCKS
        self.serial = 0

    def script(self) -> None:
        for path in self.rig.paths:
            path.driver.script.clear()
            path.driver.script.extend(answer(self.dice) for _ in range(6))

    def batch(self) -> list[tuple[Bio, list[bytes]]]:
        """Neighbouring bios of one operation on blocks that nothing else is about now, and what a read must give."""
        first, count = self.dice.randrange(BLOCKS - 12), self.dice.randrange(1, 12)
        bios: list[tuple[Bio, list[bytes]]] = []
        writes = self.dice.randrange(2) == 0
        for block in range(first, first + count):
            if writes:
                self.serial += 1
                self.blocks[block] = self.serial.to_bytes(8, "little") * (BLOCK // 8)
                bio = Bio(WRITE, block * 8, BLOCK, self.rig.client, self.blocks[block])
            else:
                bio = Bio(READ, block * 8, BLOCK, self.rig.client)
            bios.append((bio, [self.blocks[block]]))
        return bios

    def one_round(self) -> None:
        rig = self.rig
        self.script()
        bios = self.batch()
        rig.client.submit([bio for bio, _ in bios])
        if self.dice.randrange(4) == 0:
            rig.device.suspend(noflush=True)
            rig.world.pass_time(self.dice.randrange(20) * NS_PER_MS)
            rig.device.resume()
        for _ in range(8):
            rig.world.pass_time(RETRIES_NS)
            for path in rig.paths:
                rig.message(f"reinstate_path {path.device.devt}")
        rig.world.run()
        for bio, expected in bios:
            assert bio.finished
            assert bio.status == OK
            assert bytes(bio.data or b"") == expected[0]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_random_errors_lose_nothing_and_reach_nobody(mode: str, seed: int):
    erring = Erring(mode, seed)
    rig = erring.rig
    for _ in range(ROUNDS):
        erring.one_round()
    assert len(rig.client.done) > ROUNDS
    assert sum(path.fail_count for path in _paths(rig)) > 20, "or it has shown nothing"
    assert rig.store.data == b"".join(erring.blocks)
    assert rig.at_rest()


def _paths(rig: Rig) -> list:
    return rig.device.live_targets()[0].state.paths  # type: ignore[attr-defined]


def test_a_suspend_in_the_middle_of_it_waits_and_a_new_table_goes_on():
    """No request is in flight when a suspend is complete; what comes meanwhile goes through the next table, merged."""
    rig = make_multipath(World(), paths=2)
    rig.paths[0].driver.default = rig.paths[1].driver.default = Answer(delay_ns=NS_PER_MS)
    rig.client.read(0, BLOCK)
    rig.device.suspend(False)
    rig.world.settle()
    assert not rig.device.is_suspended()
    rig.world.run()
    assert rig.device.is_suspended()
    suspend(rig.world, rig.device)
    bios = [rig.client.read(sector, BLOCK) for sector in (64, 72, 80)]
    rig.world.run()
    assert [bio.finished for bio in bios] == [False] * 3
    sent = [list(path.driver.sent) for path in rig.paths]
    rig.device.resume()
    rig.world.run()
    assert [bio.status for bio in bios] == [OK] * 3
    now = [list(path.driver.sent) for path in rig.paths]
    assert now == [sent[0], [(READ, 64, 3 * BLOCK)]]
