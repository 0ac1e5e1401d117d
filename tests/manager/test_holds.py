"""Writes that are held while they could tell the disk: for how long, and what passes meanwhile."""

import pytest
from tests.manager.looked_after import FIRST_CHECK_NS, POLLING_NS, Care, look_after

from hawser.block.bio import Bio
from hawser.block.orphan import LOOK
from hawser.core.status import OK, TRANSPORT
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.world import Answer
from hawser.manager.probe import HOLD_NS, HOLD_PAUSE_NS, HOLDS_MAX, MISMATCH, UNTOLD, UP

DATA = b"d" * 4096


@pytest.fixture(params=["rq", "bio"])
def care(request: pytest.FixtureRequest) -> Care:
    return look_after(mode=request.param)


class Rewriter:
    """A client that writes a block again as soon as it was written, each time with something else."""

    def __init__(self, care: Care, sector: int = 800, length_ns: int = 7 * NS_PER_MS) -> None:
        self.care = care
        self.sector = sector
        self.count = 0
        care.settled(self._write())
        care.paths[0].driver.script.append(Answer(TRANSPORT))
        while care.letters()[0] == "A":
            care.client.read(0, 4096)
            care.world.settle()
        care.paths[1].driver.default = Answer(delay_ns=length_ns)
        self.bio = self._write()

    def _write(self) -> Bio:
        self.count += 1
        return self.care.client.write(self.sector, self.count.to_bytes(4, "little") * 1024)

    def go_on(self, for_ns: int) -> None:
        """So long, and once more when the time is over."""
        end_ns = self.care.world.clock.now_ns + for_ns
        while self.care.world.clock.now_ns < end_ns:
            self.care.world.pass_time(NS_PER_MS)
            if self.bio.finished:
                self.bio = self._write()


def holds(care: Care) -> list[tuple[int, int]]:
    return [(orphan.start, orphan.end) for orphan in care.world.disk.fences.orphans if orphan.kind == LOOK]


def test_a_block_that_is_written_all_the_time_tells_the_disk_all_the_same(care: Care):
    writer = Rewriter(care)
    before = writer.count
    writer.go_on(FIRST_CHECK_NS + 50 * NS_PER_MS)
    assert (care.letters(), care.verdict(0)) == ("AA", UP)
    assert holds(care) == [] and not care.world.disk.fences.active
    assert writer.count > before + 10, "and it is written still"
    assert care.world.disk.fences.proofs == {}, "nothing was proved"


def test_another_disk_is_found_out_although_the_block_is_written_all_the_time(care: Care):
    writer = Rewriter(care)
    care.swap_store(0)
    writer.go_on(FIRST_CHECK_NS + 50 * NS_PER_MS)
    assert (care.letters(), care.verdict(0)) == ("FA", MISMATCH)
    assert holds(care) == []
    before = writer.count
    writer.go_on(50 * NS_PER_MS)
    assert writer.count > before + 5


def stuck(care: Care) -> Bio:
    """A write that never ends, of the only block that could tell the disk."""
    care.settled(care.client.write(800, DATA))
    care.paths[0].driver.script.append(Answer(TRANSPORT))
    while care.letters()[0] == "A":
        care.client.read(0, 4096)
        care.world.settle()
    care.paths[1].driver.script.append(Answer(silent=True))
    bio = care.client.write(800, b"n" * 4096)
    care.world.pass_time(FIRST_CHECK_NS)
    assert holds(care) == [(800, 808)]
    return bio


def test_what_is_held_waits_and_the_rest_flows(care: Care):
    stuck(care)
    same, beside, read = care.client.write(804, DATA[:512]), care.client.write(808, DATA), care.client.read(800, 4096)
    flush = care.client.flush()
    care.world.pass_time(NS_PER_MS)
    assert [bio.finished for bio in (same, beside, read)] == [False, True, True]
    care.world.pass_time(HOLD_NS)
    assert same.finished and same.status == OK and holds(care) == []
    assert not flush.finished or flush.status == OK


@pytest.mark.parametrize("kind", ["read of it", "write beside it"])
def test_only_writes_of_what_is_held_are_waited_for(care: Care, kind: str):
    """Anything else may be on its way for as long as it likes."""
    writer = Rewriter(care)
    care.paths[1].driver.script.append(Answer(silent=True))
    other = care.client.read(800, 512) if kind == "read of it" else care.client.write(8, DATA)
    care.world.settle()
    writer.go_on(FIRST_CHECK_NS + 50 * NS_PER_MS)
    assert not other.finished
    assert (care.letters(), care.verdict(0)) == ("AA", UP)


def test_what_is_held_is_held_for_a_bounded_time_and_seldom(care: Care):
    bio = stuck(care)
    start_ns = care.world.clock.now_ns
    held_ns = 0
    while care.world.clock.now_ns < start_ns + 3 * HOLD_PAUSE_NS:
        care.world.pass_time(10 * NS_PER_MS)
        held_ns += 10 * NS_PER_MS if holds(care) else 0
    assert HOLD_NS <= held_ns <= 4 * HOLD_NS
    assert (care.letters(), care.verdict(0)) == ("FA", UNTOLD), "and no mismatch"
    care.paths[1].driver.deliver_all(Answer())
    care.world.pass_time(POLLING_NS)
    assert bio.status == OK
    assert (care.letters(), care.verdict(0)) == ("AA", UP)


def test_a_path_that_does_not_answer_holds_nothing_for_longer(care: Care):
    """A difference that is found when the time is over counts only if nothing was written meanwhile."""
    writer = Rewriter(care)
    care.paths[0].driver.script += [Answer()]
    care.paths[0].driver.default = Answer(silent=True)
    writer.go_on(FIRST_CHECK_NS + 20 * NS_PER_MS)
    assert holds(care) == [(800, 808)]
    writer.go_on(HOLD_NS)
    assert holds(care) == []
    count = writer.count
    writer.go_on(100 * NS_PER_MS)
    assert writer.count > count + 10
    care.swap_store(0)
    care.paths[0].driver.default = Answer()
    care.paths[0].driver.deliver_all(Answer())
    care.world.settle()
    assert (care.letters(), care.verdict(0)) == ("FA", UNTOLD)


def test_only_so_many_ranges_are_held_at_once(care: Care):
    writers = [care.client.write(800 + 16 * number, DATA) for number in range(2 * HOLDS_MAX)]
    care.world.settle()
    assert all(bio.status == OK for bio in writers)
    care.paths[0].driver.script.append(Answer(TRANSPORT))
    while care.letters()[0] == "A":
        care.client.read(0, 4096)
        care.world.settle()
    care.paths[1].driver.default = Answer(silent=True)
    for number in range(2 * HOLDS_MAX):
        care.client.write(800 + 16 * number, b"n" * 4096)
    care.world.pass_time(FIRST_CHECK_NS)
    assert len(holds(care)) == HOLDS_MAX


def test_nothing_is_held_where_something_else_tells_the_disk(care: Care):
    care.settled(care.client.write(0, DATA))
    writer = Rewriter(care)
    seen: list[tuple[int, int]] = []
    for _ in range(200):
        writer.go_on(NS_PER_MS)
        seen += holds(care)
    assert (care.letters(), seen) == ("AA", [])


def test_a_doubt_meanwhile_makes_no_read_wait_for_a_look(care: Care):
    stuck(care)
    care.world.disk.cast_doubt("a cache is gone")
    read = care.client.read(800, 4096)
    care.world.pass_time(NS_PER_MS)
    assert read.finished
    care.world.pass_time(2 * NS_PER_S)
    assert holds(care) == []


def test_a_suspend_waits_for_no_look(care: Care):
    bio = stuck(care)
    assert care.target.ghosts() == []
    care.rig.device.suspend(True)
    care.paths[1].driver.deliver_all(Answer())
    care.world.settle()
    assert bio.finished and care.rig.device.is_suspended()
    care.rig.device.resume()
    care.world.pass_time(2 * NS_PER_S)
    assert holds(care) == []
