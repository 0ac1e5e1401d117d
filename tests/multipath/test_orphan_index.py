"""The index of orphans agrees with a look at all of them; and what a fallen fence does not concern stays where it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hawser.block.ops import DISCARD, READ, WRITE, WRITE_ZEROES
from hawser.block.orphan import PROOF_ANSWER, Orphan
from hawser.block.request import UNKNOWN
from hawser.core.status import OK, TIMEOUT
from hawser.core.units import MIB
from hawser.lab.world import Answer, Client, Rig, World, make_multipath
from hawser.multipath.orphan_index import OrphanIndex

LANDS = Answer(TIMEOUT, fate=UNKNOWN)
MANY = 200

RANGES = st.tuples(st.integers(0, 200), st.integers(0, 70)).map(lambda both: (both[0], both[0] + both[1]))


@st.composite
def orphans(draw: st.DrawFn) -> list[Orphan]:
    found: list[Orphan] = []
    for start, end in draw(st.lists(RANGES, max_size=30)):
        orphan = Orphan("p0", 0, WRITE, start, end, draw(st.integers(0, 1)), None)
        orphan.is_harmless = draw(st.booleans())
        found.append(orphan)
    return found


@given(
    found=orphans(), gone=st.lists(st.integers(0, 100), max_size=20), asked=st.lists(RANGES, min_size=1), data=st.data()
)
def test_it_finds_what_a_look_at_all_finds(found: list[Orphan], gone: list[int], asked, data: st.DataObject):
    index = OrphanIndex()
    for orphan in found:
        index.add(orphan)
    left = list(found)
    for number in gone:
        if left:
            index.remove(left.pop(number % len(left)))
    own = data.draw(st.none() | st.lists(st.sampled_from(left), max_size=3)) if left else None
    for start, end in asked:
        overlapping = [one for one in left if one.overlaps(start, end) and (own is None or one not in own)]
        for op in (READ, WRITE, DISCARD, WRITE_ZEROES):
            blocking = [one for one in overlapping if op != READ or one.unacked]
            one = index.blocking(op, start, end, own)
            assert (one is None) == (not blocking) and (one is None or one in blocking)
        assert index.harmful(start, end, own) == any(not one.is_harmless for one in overlapping)


def test_what_is_not_in_it_cannot_be_removed():
    with pytest.raises(AssertionError, match="not in the index"):
        OrphanIndex().remove(Orphan("p0", 0, WRITE, 0, 8, 1, None))


def haunted(mode: str) -> Rig:
    """A write to every 16th sector is lost on p0, and done on p1."""
    rig = make_multipath(World(), mode=mode, size=4 * MIB, depth=1024)
    rig.message("fail_path 259:1")
    rig.paths[0].driver.default = Answer(silent=True)
    for number in range(MANY):
        rig.client.write(number * 16, b"o" * 512)
        rig.world.settle()
    rig.message("reinstate_path 259:1")
    rig.paths[0].driver.default = Answer()
    rig.paths[0].driver.deliver_all(LANDS)
    rig.world.run()
    assert [bio.status for bio in rig.client.done] == [OK] * MANY
    assert len(rig.world.disk.fences.orphans) == MANY
    return rig


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_of_many_fences_each_lets_go_what_waits_for_it(mode: str):
    rig = haunted(mode)
    writes = [rig.client.write(number * 16, b"n" * 512) for number in range(MANY)]
    rig.world.settle()
    assert not any(bio.finished for bio in writes)
    assert rig.client.waiting_for_proof == MANY
    ghosts = rig.paths[0].driver.ghosts
    order = [number * 77 % MANY for number in range(MANY)]
    for count, number in enumerate(order, 1):
        ghosts[number].orphan.resolve(PROOF_ANSWER)
        rig.world.settle()
        assert writes[number].finished and writes[number].status == OK
        assert rig.client.waiting_for_proof == MANY - count
    assert len(rig.client.done) == 2 * MANY
    assert not rig.world.disk.fences.active
    rig.paths[0].driver.ghosts = []
    assert rig.at_rest()


class Listener(Client):
    """Notes down each time that something of its begins to wait, or need not any more."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig.device, rig.world.disk)
        self.heard: list[int] = []

    def waits_for_proof(self, count: int, size: int) -> None:
        super().waits_for_proof(count, size)
        self.heard.append(count)


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_what_stays_is_not_mapped_again(mode: str):
    rig = haunted(mode)
    client = Listener(rig)
    writes = [client.write(number * 16, b"n" * 512) for number in range(MANY)]
    rig.world.settle()
    client.heard.clear()
    rig.paths[0].driver.ghosts[3].orphan.resolve(PROOF_ANSWER)
    rig.world.settle()
    assert writes[3].finished and client.heard == [-1]


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_what_is_let_go_and_fenced_anew_waits_beside_what_stays(mode: str):
    """A flush suspend maps at once what a fence lets go. That enters another group, and leaves a dirty cache behind, whose fence
    holds it again."""
    rig = make_multipath(World(), mode=mode, paths=1, groups=2, cache="path")
    first, second = rig.paths
    rig.client.write(800, b"d" * 512)
    rig.world.settle()
    dying = Client(rig.device, rig.world.disk)
    first.driver.default = Answer(silent=True)
    for sector in (0, 8):
        dying.write(sector, b"o" * 512)
        rig.world.settle()
    dying.dead = True
    rig.device.cancel_dead()
    writes = [rig.client.write(sector, b"n" * 512) for sector in (0, 8)]
    rig.world.settle()
    rig.message("switch_group 2")
    rig.device.suspend(False)
    rig.world.settle()
    one, other = first.driver.outstanding()
    for request in (one, other):
        first.driver.deliver(request, Answer())
        rig.world.settle()
        assert not any(bio.finished for bio in writes)
    assert first.device.left_behind is not None
    first.device.cache_flushed(first.device.written)
    rig.world.run()
    assert [bio.status for bio in writes] == [OK, OK] and all(bio.finished for bio in writes)
    assert sorted(sector for _, sector, _ in second.driver.sent) == [0, 8]
    assert rig.device.is_suspended()
    rig.device.resume()
    rig.world.run()
    assert rig.at_rest()
