"""What is retained of unflushed writes, and that it is written again when the cache that held it is lost."""

import time

import pytest
from tests.manager.looked_after import Care, SulkingDriver, look_after

from hawser.block.bio import Bio, BioOwner
from hawser.block.ops import DISCARD, WRITE, WRITE_ZEROES
from hawser.block.orphan import CACHE, COMMAND, PROOF_ANSWER, PROOF_PEER_GONE
from hawser.block.request import UNKNOWN, Request
from hawser.core.rng import Rng
from hawser.core.status import IOERR, MEDIUM, OK, TIMEOUT, TRANSPORT
from hawser.core.units import KIB, NS_PER_MS, NS_PER_S
from hawser.lab.world import Answer
from hawser.multipath.disk import CacheEar
from hawser.multipath.retained import KEPT_BYTES, Extent, Retained

OLD, NEW = b"o" * 4096, b"n" * 4096


def bio(sector: int, data: bytes) -> Bio:
    return Bio(WRITE, sector, len(data), BioOwner(), data)


def image(retained: Retained) -> dict[int, str]:
    """What each sector holds afterwards, in letters; `.`: discarded, `0`: zeroes."""
    found: dict[int, str] = {}
    for extent in retained.extents(retained.uncertain()):
        for sector in range(extent.start, extent.end):
            assert sector not in found, "disjoint"
            found[sector] = letter(extent, sector)
    return dict(sorted(found.items()))


def letter(extent: Extent, sector: int) -> str:
    if extent.data is None:
        return {DISCARD: ".", WRITE_ZEROES: "0"}[extent.op]
    assert len(extent.data) == (extent.end - extent.start) * 512
    place = (sector - extent.start) * 512
    return chr(extent.data[place])


def test_the_newest_of_what_was_written_counts():
    retained = Retained()
    retained.keep(1, WRITE, 0, 0, 4 * 512, [bio(0, b"a" * 4 * 512)], 0, 0)
    retained.keep(2, WRITE, 0, 2, 4 * 512, [bio(2, b"b" * 2 * 512), bio(4, b"c" * 2 * 512)], 1, 1)
    retained.keep(3, DISCARD, 0, 5, 512, [], 2, 2)
    retained.keep(4, WRITE_ZEROES, 0, 0, 512, [], 3, 3)
    assert "".join(image(retained).values()) == "0abbc."


def test_of_what_was_begun_before_only_the_rest_counts():
    """The first bio of a request that was done in part begins earlier than the request."""
    retained = Retained()
    first = b"".join(letter * 512 for letter in (b"x", b"x", b"a", b"b"))
    retained.keep(1, WRITE, 0, 2, 4 * 512, [bio(0, first), bio(4, b"c" * 2 * 512)], 0, 0)
    assert image(retained) == {2: "a", 3: "b", 4: "c", 5: "c"}


def test_of_two_that_were_on_their_way_at_once_neither_is_written_again_where_they_meet():
    """They may have been executed in the other order, and a read may have shown that."""
    retained = Retained()
    retained.keep(1, WRITE, 0, 0, 4 * 512, [bio(0, b"a" * 4 * 512)], 0, 0)
    retained.keep(2, WRITE, 0, 2, 4 * 512, [bio(2, b"b" * 4 * 512)], 0, 1)
    retained.keep(3, WRITE, 0, 5, 512, [bio(5, b"c" * 512)], 2, 2)
    assert retained.uncertain() == [(2, 4)]
    assert image(retained) == {0: "a", 1: "a", 4: "b", 5: "c"}


def test_a_flush_covers_what_came_before_it():
    retained = Retained()
    for place in range(1, 5):
        retained.keep(place, WRITE, 0, 8 * place, 512, [bio(8 * place, b"w" * 512)], place - 1, place - 1)
    assert retained.bytes == 4 * (512 + KEPT_BYTES)
    retained.drop(3)
    assert (list(image(retained)), retained.bytes) == ([32], 512 + KEPT_BYTES)
    retained.drop(4)
    assert retained.is_empty() and retained.bytes == 0


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def care(mode: str) -> Care:
    """Two groups of one path each, with caches of their own; OLD, then NEW over it, was written by the first, and not flushed."""
    care = look_after(mode=mode, paths=1, groups=2, cache="path")
    for path in care.paths:
        path.driver.answers_are_final = True
    assert care.settled(care.client.write(0, OLD)).status == OK
    assert care.settled(care.client.write(4, NEW)).status == OK
    return care


def lose(care: Care) -> None:
    """The first server dies, and its cache is lost."""
    care.paths[0].driver.store.data[:8192] = bytes(8192)
    care.session_lost(0, "gone")
    care.paths[0].device.session_ended()


def prove(care: Care) -> None:
    care.paths[0].device.cache_gone(PROOF_PEER_GONE)
    care.world.settle()


def test_what_a_lost_cache_held_is_written_again_before_anything_is_read(care: Care):
    lose(care)
    read = care.client.read(0, 8192)
    care.world.settle()
    assert not read.finished
    prove(care)
    assert care.settled(read).data == OLD[:2048] + NEW + bytes(2048)
    assert care.settled(care.client.flush()).status == OK
    assert (care.world.disk.doubt, care.paths[0].device.left_behind) == (0, None)
    assert care.paths[1].device.retained.is_empty(), "the flush has covered it"


def test_a_try_that_fails_is_begun_again_elsewhere(care: Care):
    lose(care)
    care.paths[1].driver.script.append(Answer(TRANSPORT))
    read = care.client.read(0, 8192)
    prove(care)
    assert (care.letters(), read.finished) == ("FF", False)
    care.world.pass_time(NS_PER_S)
    assert care.settled(read).data == OLD[:2048] + NEW + bytes(2048)
    assert care.world.disk.doubt == 0


def test_a_write_of_it_that_times_out_is_fenced_like_any_other(care: Care):
    lose(care)
    care.paths[1].driver.script.append(Answer(TIMEOUT, fate=UNKNOWN))
    prove(care)
    assert any(orphan.path_name == care.paths[1].device.name for orphan in care.world.disk.fences.orphans)


def test_where_it_cannot_be_written_again_flushes_fail(care: Care):
    lose(care)
    care.paths[1].driver.script += [Answer(MEDIUM)] * 8
    prove(care)
    care.world.run()
    assert care.world.disk.doubt == 1
    assert care.settled(care.client.flush()).status == IOERR
    assert care.paths[0].device.left_behind is None, "and the rest goes on"


def test_too_much_forces_a_flush_and_makes_writes_wait(care: Care):
    care.world.disk.retain_bytes = 16 * KIB
    driver = care.paths[0].driver
    care.world.settle()
    driver.default = Answer(delay_ns=1000)
    writes = [care.client.write(16 * number, NEW) for number in range(1, 12)]
    care.world.run()
    assert {write.status for write in writes} == {OK}
    assert all(write.finished for write in writes)
    device = care.paths[0].device
    assert device.flushed > 0 and device.retained.bytes < 16 * KIB
    assert care.world.disk.fences.proofs == {}


def test_a_flush_of_the_next_session_does_not_cover_what_the_one_before_has_lost(care: Care):
    """The server was restarted without its cache, and says that all is flushed."""
    lose(care)
    care.session_ready(0)
    care.world.pass_time(NS_PER_S)
    assert care.settled(care.client.read(0, 8192)).data == OLD[:2048] + NEW + bytes(2048)
    assert care.world.disk.doubt == 0


def test_another_path_takes_over_at_once(mode: str):
    care = look_after(mode=mode, paths=1, groups=3, cache="path")
    assert care.settled(care.client.write(0, NEW)).status == OK
    lose(care)
    care.paths[1].driver.script.append(Answer(TRANSPORT))
    prove(care)
    assert care.letters() == "FFA"
    # (The path that failed may hold a part of it, and is flushed first.)
    care.world.pass_time(NS_PER_S)
    assert care.settled(care.client.read(0, 4096)).data == NEW


class Dirt(CacheEar):
    """What is remembered of a cache beyond the end of the process."""

    def __init__(self) -> None:
        self.is_dirty = True

    def cache_dirtied(self) -> None:
        self.is_dirty = True

    def cache_cleaned(self) -> None:
        self.is_dirty = False


def test_a_cache_that_holds_again_what_it_had_lost_is_not_remembered_as_clean(care: Care):
    """By way of the very path that had lost it: no flush has covered it yet."""
    dirt = Dirt()
    care.paths[0].device.cache_ear = dirt
    care.message("fail_path 259:1")
    lose(care)
    care.session_ready(0)
    care.world.pass_time(NS_PER_S)
    assert care.settled(care.client.read(0, 4096)).data == OLD[:2048] + NEW[:2048]
    assert dirt.is_dirty
    assert care.settled(care.client.flush()).status == OK
    assert not dirt.is_dirty


def test_where_it_cannot_be_told_what_came_last_flushes_fail(mode: str):
    care = look_after(mode=mode, paths=1, groups=2, cache="path")
    care.paths[0].driver.default = Answer(delay_ns=1000)
    writes = [care.client.write(0, OLD), care.client.write(4, NEW)]
    care.world.run()
    assert [write.finished for write in writes] == [True, True]
    lose(care)
    prove(care)
    assert care.world.disk.doubt == 1
    assert care.settled(care.client.read(0, 8192)).data == OLD[:2048] + bytes(2048) + NEW[:2048] + bytes(2048)
    assert care.settled(care.client.flush()).status == IOERR


def test_where_nothing_of_it_can_be_told_no_path_is_needed_for_it(mode: str):
    """The one that there is has lost its session in the same moment, and nobody knows yet: it was asked again and again."""
    care = look_after(mode=mode, paths=1, groups=2, cache="path", make_driver=SulkingDriver)
    care.paths[0].driver.default = Answer(delay_ns=1000)
    writes = [care.client.write(0, OLD), care.client.write(0, NEW)]
    care.world.run()
    assert [write.finished for write in writes] == [True, True]
    lose(care)
    other = care.paths[1].driver
    assert isinstance(other, SulkingDriver)
    other.reason = "no connection"
    prove(care)
    assert care.world.disk.doubt == 1
    assert care.paths[0].device.left_behind is None
    other.reason = ""
    assert care.settled(care.client.flush()).status == IOERR


def test_what_a_failed_flush_has_lost_is_not_written_again_later(care: Care):
    """A read has shown since then that it is gone."""
    device = care.paths[0].device
    care.paths[0].driver.script.append(Answer(IOERR))
    assert care.settled(care.client.flush()).status == IOERR
    care.paths[0].driver.store.data[:8192] = bytes(8192)
    assert care.settled(care.client.read(0, 8192)).data == bytes(8192)
    assert (device.retained.is_empty(), care.world.disk.doubt) == (True, 1)
    lose(care)
    prove(care)
    assert care.world.disk.doubt == 2, "whether the session had more of it to lose cannot be told"
    assert care.settled(care.client.read(0, 8192)).data == bytes(8192)


def test_after_a_flush_that_succeeds_all_is_retained_again(care: Care):
    care.paths[0].driver.script.append(Answer(IOERR))
    assert care.settled(care.client.flush()).status == IOERR
    care.client.open_disk(care.world.disk)
    assert care.settled(care.client.flush()).status == OK
    assert care.settled(care.client.write(0, NEW)).status == OK
    lose(care)
    prove(care)
    assert care.settled(care.client.read(0, 4096)).data == NEW
    assert care.world.disk.doubt == 1


def test_what_touches_and_overlaps_by_chance_is_as_if_written_one_by_one():
    """Against plain lists of sectors, in random worlds."""
    rng = Rng(5)
    for _ in range(200):
        retained = Retained()
        expected: dict[int, str] = {}
        touched: dict[int, int] = {}
        beside = rng.below(3)
        for number in range(rng.below(40)):
            start, size = rng.below(60), 1 + rng.below(8)
            letters = bytes(97 + rng.below(26) for _ in range(size))
            started = max(0, number - beside)
            retained.keep(
                number + 1,
                WRITE,
                0,
                start,
                size * 512,
                [bio(start, b"".join(bytes([c]) * 512 for c in letters))],
                started,
                number,
            )
            for place, c in enumerate(letters):
                at_once = touched.get(start + place, -1) >= started
                touched[start + place] = number
                expected[start + place] = "?" if at_once or expected.get(start + place) == "?" else chr(c)
        certain = {sector: c for sector, c in sorted(expected.items()) if c != "?"}
        assert image(retained) == certain


def test_ten_thousand_small_writes_are_sorted_out_at_once():
    """All I/O waits meanwhile. (The time is what it took by comparing each with all, a hundredfold.)"""
    retained = Retained()
    data = bio(0, OLD)
    for number in range(10_000):
        retained.keep(number + 1, WRITE, 0, number * 7919 % 10_007 * 16, 4096, [data], number, number)
    started = time.monotonic()
    extents = retained.extents(retained.uncertain())
    assert len(extents) == 10_000
    assert [extent.start for extent in extents] == sorted(extent.start for extent in extents)
    assert time.monotonic() - started < 3


class Forgetful(SulkingDriver):
    """Gives no answer to writes while `is_mute`."""

    is_mute = False

    def queue_rq(self, request: Request) -> int:
        if self.is_mute and request.op == WRITE:
            self.script.insert(0, Answer(TIMEOUT, fate=UNKNOWN))
        return super().queue_rq(request)


def test_what_is_written_again_late_by_a_path_that_is_left_by_then_is_not_clean(mode: str):
    """That path had lost it, and had been flushed before. Its server executed the write late, when another path had done it."""
    care = look_after(mode=mode, paths=1, groups=2, cache="path", features="queue_if_no_path", make_driver=Forgetful)
    assert care.settled(care.client.write(0, NEW)).status == OK
    first, second = (path.device for path in care.paths)
    driver = care.paths[0].driver
    assert isinstance(driver, Forgetful)
    care.message("fail_path 259:1")
    lose(care)
    driver.is_mute = True
    care.session_ready(0)
    care.world.pass_time(NS_PER_MS)
    assert [orphan.kind for orphan in care.world.disk.fences.orphans] == [CACHE, COMMAND]
    # As a driver does when the answer comes; then its session is over.
    driver.reason = "no connection"
    first.late_write()
    driver.settle(PROOF_ANSWER)
    care.message("reinstate_path 259:1")
    care.world.pass_time(0)
    assert (first.replay, first.is_left, first.is_dirty()) == (None, True, True)
    assert first.left_behind is not None and not first.left_behind.is_harmless
    driver.is_mute = False
    driver.reason = ""
    care.world.pass_time(NS_PER_S)
    assert first.left_behind is None and not first.is_dirty()
    assert care.settled(care.client.read(0, 4096)).data == NEW
    assert second.is_dirty()
