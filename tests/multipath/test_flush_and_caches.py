"""Flushes, and caches of single paths: what a flush acknowledged is durable, and a flush that cannot promise that fails."""

import pytest

from hawser.block.bio import Bio
from hawser.block.limits import QueueLimits
from hawser.block.ops import FLUSH, FUA, PREFLUSH, WRITE
from hawser.block.orphan import PROOF_ANSWER, PROOF_FLUSHED, PROOF_PEER_GONE, Orphan
from hawser.block.request import NOT_SENT, UNKNOWN
from hawser.core.status import IOERR, OK, TIMEOUT, TRANSPORT
from hawser.core.units import MIB, NS_PER_MS, NS_PER_S, SECTOR_SHIFT
from hawser.dm.target import TableError
from hawser.lab.world import Answer, Client, Rig, Store, World, make_multipath

DATA = b"d" * 4096


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def make(mode: str, final: bool = True, **options) -> Rig:
    rig = make_multipath(World(), mode=mode, **options)
    for path in rig.paths:
        path.driver.answers_are_final = final
    return rig


def settled(rig: Rig, bio: Bio) -> int:
    rig.world.settle()
    assert bio.finished
    return bio.status


def flush_status(rig: Rig, client: Client) -> int:
    bio = client.flush()
    rig.world.pass_time(NS_PER_S)
    assert bio.finished
    return bio.status


def test_an_answered_flush_error_is_final_and_everybodys(mode: str):
    """A server tells of a lost write once: no retry elsewhere, and all who had the disk open get no flush any more."""
    rig = make(mode)
    bystander = Client(rig.device, rig.world.disk)
    rig.paths[0].driver.script.append(Answer(IOERR))
    assert flush_status(rig, rig.client) == IOERR
    assert sum(len(path.driver.sent) for path in rig.paths) == 1
    assert rig.letters() == "AA"
    assert [flush_status(rig, client) for client in (rig.client, bystander, rig.client)] == [IOERR] * 3
    newcomer = Client(rig.device, rig.world.disk)
    assert flush_status(rig, newcomer) == OK


@pytest.mark.parametrize("flags", [FUA, FUA | PREFLUSH])
def test_a_flush_behind_a_write_that_fails_is_everybodys_too(mode: str, flags: int):
    """A path without FUA flushes behind such a write. That this one has failed says nothing of those that were acknowledged."""
    rig = make(mode, paths=1, limits=QueueLimits(write_cache=True))
    bystander = Client(rig.device, rig.world.disk)
    bystander.write(80, DATA)
    rig.world.run()
    answers = [Answer(), Answer(), Answer(IOERR)] if flags & PREFLUSH else [Answer(), Answer(IOERR)]
    driver = rig.paths[0].driver
    driver.script.extend(answers)
    before = rig.world.disk.doubt
    rig.client.write(0, DATA, flags)
    rig.world.run()
    assert driver.sent[-1][0] == FLUSH and not driver.script
    assert rig.world.disk.doubt > before
    assert flush_status(rig, bystander) == IOERR


def test_a_flush_behind_a_write_that_got_no_answer_casts_no_doubt(mode: str):
    rig = make(mode, limits=QueueLimits(write_cache=True))
    for path in rig.paths:
        path.driver.script.extend([Answer(), Answer(TRANSPORT, fate=NOT_SENT)])
    write = rig.client.write(0, DATA, FUA)
    rig.world.run()
    assert write.finished
    assert rig.world.disk.doubt == 0


def test_a_flush_error_whose_client_is_dead_still_concerns_the_others(mode: str):
    rig = make(mode)
    bystander = Client(rig.device, rig.world.disk)
    rig.paths[0].driver.script.append(Answer(IOERR, delay_ns=NS_PER_MS))
    rig.client.flush()
    rig.client.dead = True
    rig.device.cancel_dead()
    rig.world.run()
    assert flush_status(rig, bystander) == IOERR


def test_a_flush_that_was_sent_before_the_doubt_fails_after_it(mode: str):
    rig = make(mode)
    rig.paths[0].driver.script.append(Answer(IOERR, delay_ns=NS_PER_MS))
    rig.paths[1].driver.script.append(Answer(delay_ns=2 * NS_PER_MS))
    flushes = [rig.client.flush(), rig.client.flush()]
    rig.world.run()
    assert [bio.status for bio in flushes] == [IOERR, IOERR]


def test_a_flush_that_never_got_an_answer_is_retried(mode: str):
    rig = make(mode)
    rig.paths[0].driver.script.append(Answer(TRANSPORT, fate=2))
    assert flush_status(rig, rig.client) == OK
    assert rig.letters() == "FA"


def test_a_flush_that_a_dead_connection_refused_casts_no_doubt(mode: str):
    rig = make(mode)
    rig.paths[0].driver.refuse = TRANSPORT
    assert flush_status(rig, rig.client) == OK
    assert rig.world.disk.doubt == 0


@pytest.mark.parametrize("table_mode", ["rq", "bio"])
def test_paths_with_caches_of_their_own_do_not_share_a_group(table_mode: str):
    with pytest.raises(
        TableError, match=r"group 1 would spread I/O over caches .* p0 has a cache of its own \(cache=path\)"
    ):
        make(table_mode, cache="path")


def test_a_refused_table_listens_to_no_fence():
    world = World()
    with pytest.raises(TableError):
        make_multipath(world, cache="path")
    assert world.disk.fences.listeners == []


def make_two_caches(mode: str, **options) -> Rig:
    return make(mode, paths=1, groups=2, cache="path", **options)


def test_a_dirty_path_that_is_left_fences_everything_until_it_is_flushed(mode: str):
    rig = make_two_caches(mode)
    rig.client.write(0, DATA)
    rig.world.settle()
    rig.message("switch_group 2")
    waiting = [rig.client.read(800, 512), rig.client.write(1600, DATA), rig.client.flush()]
    rig.world.pass_time(NS_PER_S)
    assert not any(bio.finished for bio in waiting)
    assert rig.paths[1].driver.sent == [], "not even the I/O that entered the group"
    rig.paths[0].device.cache_flushed(rig.paths[0].device.written)
    rig.world.run()
    assert [bio.status for bio in waiting] == [OK] * 3
    assert len(rig.paths[1].driver.sent) == 3
    assert rig.world.disk.fences.proofs == {PROOF_FLUSHED: 1}
    assert rig.at_rest()


def test_a_flushed_path_is_left_without_ado(mode: str):
    rig = make_two_caches(mode)
    rig.client.write(0, DATA)
    rig.world.settle()
    assert flush_status(rig, rig.client) == OK
    rig.message("switch_group 2")
    read = rig.client.read(0, 512)
    rig.world.settle()
    assert read.finished
    assert not rig.world.disk.fences.active


def test_a_flush_covers_only_what_was_acknowledged_when_it_was_sent(mode: str):
    rig = make_two_caches(mode)
    rig.client.write(0, DATA)
    rig.world.settle()
    rig.paths[0].driver.script.append(Answer(delay_ns=NS_PER_MS))
    flush = rig.client.flush()
    rig.world.settle()
    write = rig.client.write(8, DATA)
    rig.world.settle()
    assert (write.finished, flush.finished) == (True, False)
    rig.world.run()
    assert (flush.status, rig.paths[0].device.is_dirty()) == (OK, True)
    rig.message("switch_group 2")
    read = rig.client.read(0, 512)
    rig.world.settle()
    assert not read.finished


def test_writes_on_their_way_keep_a_left_path_dirty(mode: str):
    """Acknowledged by nobody yet, but they will be in that cache."""
    rig = make_two_caches(mode)
    rig.paths[0].driver.script.append(Answer(delay_ns=NS_PER_MS))
    rig.client.write(0, DATA)
    rig.message("switch_group 2")
    read = rig.client.read(0, 512)
    rig.world.settle()
    rig.paths[0].device.cache_flushed(0)
    rig.world.run()
    assert not read.finished, "the flush was sent before the write was acknowledged"
    rig.paths[0].device.cache_flushed(1)
    rig.world.run()
    assert read.finished


def test_bio_based_writes_that_wait_for_a_tag_keep_a_left_path_dirty():
    rig = make_two_caches("bio", depth=1)
    rig.paths[0].driver.script.append(Answer(delay_ns=NS_PER_MS))
    rig.client.read(0, 512)
    write = rig.client.write(0, DATA)
    rig.message("switch_group 2")
    read = rig.client.read(0, 512)
    rig.world.run()
    assert write.status == OK
    assert not read.finished
    rig.paths[0].device.cache_flushed(1)
    rig.world.run()
    assert read.finished


def test_a_failed_dirty_path_fences_and_its_death_casts_doubt(mode: str):
    rig = make_two_caches(mode)
    bystander = Client(rig.device, rig.world.disk)
    rig.client.write(0, DATA)
    rig.world.settle()
    rig.message("fail_path 259:0")
    read, flush = rig.client.read(0, 512), rig.client.flush()
    rig.world.pass_time(NS_PER_S)
    assert not read.finished
    assert not flush.finished
    rig.paths[0].device.cache_gone(PROOF_PEER_GONE)
    rig.world.run()
    assert (read.status, flush.status) == (OK, IOERR)
    assert flush_status(rig, bystander) == IOERR
    assert flush_status(rig, Client(rig.device, rig.world.disk)) == OK
    assert rig.at_rest()


def test_a_clean_cache_that_is_gone_casts_no_doubt(mode: str):
    rig = make_two_caches(mode)
    rig.client.read(0, 512)
    rig.world.settle()
    rig.message("fail_path 259:0")
    rig.paths[0].device.cache_gone(PROOF_PEER_GONE)
    assert flush_status(rig, rig.client) == OK
    assert rig.world.disk.doubt == 0


@pytest.mark.parametrize("cache", ["lun", "none"])
def test_a_shared_or_absent_cache_is_nobodys_to_leave(mode: str, cache: str):
    rig = make(mode, cache=cache)
    rig.client.write(0, DATA)
    rig.world.settle()
    rig.message("fail_path 259:0")
    assert flush_status(rig, rig.client) == OK
    assert not rig.paths[0].device.is_dirty()


def test_a_flush_error_below_a_linear_device_is_final_too():
    """Through a linear device it was taken for a dead path: the flush was tried elsewhere, and succeeded."""
    world = World()
    store = Store(MIB)
    sectors = MIB >> SECTOR_SHIFT
    paths = [world.ram_path(f"p{number}", store) for number in range(2)]
    below = [world.mapped(f"l{number}", f"0 {sectors} linear 259:{number} 0") for number in range(2)]
    for path in paths:
        path.driver.answers_are_final = True
    names = " ".join(device.devt for device in below)
    device = world.mapped("mpatha", f"0 {sectors} multipath 2 queue_mode bio 0 1 1 round-robin 0 2 0 {names}")
    client = Client(device, world.disk)
    paths[0].driver.script.append(Answer(IOERR))
    bio = client.flush()
    world.run()
    assert bio.status == IOERR
    assert [path.driver.sent for path in paths] == [[(FLUSH, 0, 0)], []]
    assert world.disk.doubt == 1


def test_who_opened_the_disk_while_a_loss_was_in_doubt_is_not_promised_it_either(mode: str):
    """The server was there still when the client came, and its cache was lost afterwards: its flush succeeded."""
    rig = make(mode, cache="path", paths=1, groups=2, features="queue_if_no_path")
    first = rig.paths[0]
    assert rig.client.write(0, DATA) is not None
    rig.world.settle()
    first.device.session_ended()
    rig.message("fail_path 259:0")
    late = Client(rig.device, rig.world.disk)
    bio = late.flush()
    rig.world.settle()
    assert not bio.finished, "everything waits for the cache that was left"
    first.device.cache_flushed(first.device.written)
    rig.world.run()
    assert bio.status == IOERR
    assert flush_status(rig, Client(rig.device, rig.world.disk)) == OK


def test_a_doubt_that_nobody_opened_the_disk_in_is_not_told_again():
    """The write is a probe's or a checker's, as no client has opened the disk."""
    world = World()
    device = world.ram_path("p", Store(MIB), cache="path").device
    device.written = 1
    device.session_ended()
    device.cache_flushed(1)
    assert world.disk.doubt == 1
    world.disk.open()
    device.written = 2
    device.session_ended()
    device.cache_flushed(2)
    assert world.disk.doubt == 2, "opened before the doubt, not in it"


def test_flushes_do_not_wait_for_a_cache_that_is_clean_again_though_there_are_other_fences(mode: str):
    rig = make_two_caches(mode)
    rig.client.write(0, DATA)
    rig.world.settle()
    rig.message("switch_group 2")
    flush = rig.client.flush()
    rig.world.settle()
    assert not flush.finished
    ghost = Orphan("p1", 0, WRITE, 800, 808, 1, None)
    rig.world.disk.fences.add(ghost)
    rig.paths[0].device.cache_flushed(rig.paths[0].device.written)
    rig.world.run()
    assert flush.status == OK
    assert (flush_status(rig, rig.client), ghost.proof) == (OK, "")


@pytest.mark.parametrize("fails", [True, False])
def test_a_fua_write_beside_a_flush_that_fails_is_not_promised(mode: str, fails: bool):
    """The failed flush may have been the word of its loss, and its own then has nothing to complain of."""
    rig = make(mode, limits=QueueLimits(write_cache=True, fua=True))
    for path in rig.paths:
        path.driver.default = Answer(delay_ns=2 * NS_PER_MS)
    write = rig.client.write(0, DATA, FUA)
    rig.world.settle()
    for path in rig.paths:
        path.driver.default = Answer(IOERR if fails else OK, delay_ns=NS_PER_MS)
    flush = rig.client.flush()
    rig.world.pass_time(NS_PER_MS)
    assert (flush.finished, write.finished) == (True, False)
    rig.world.run()
    assert write.status == (IOERR if fails else OK)
    assert len(rig.world.disk.witness.testimonies()) == (0 if fails else 1)


def test_a_read_that_is_on_its_way_when_the_acknowledged_copy_may_be_lost_is_done_again(mode: str):
    """It has passed the fence of the first copy, as the second was acknowledged, and may find what was before."""
    rig = make(mode, features="queue_if_no_path")
    first, second = (path.driver for path in rig.paths)
    first.script.append(Answer(TIMEOUT, fate=UNKNOWN))
    second.script.append(Answer())
    assert settled(rig, rig.client.write(0, DATA)) == OK
    second.default = Answer(delay_ns=NS_PER_MS)
    reads = [rig.client.read(0, 4096), rig.client.read(100, 512)]
    rig.world.settle()
    rig.store.data[:4096] = bytes(4096)
    rig.world.disk.cast_doubt("a cache is gone")
    rig.world.pass_time(2 * NS_PER_MS)
    assert [read.finished for read in reads] == [False, True]
    rig.store.data[:4096] = DATA
    first.settle(PROOF_ANSWER)
    rig.world.run()
    assert (reads[0].status, reads[0].data) == (OK, DATA)
    assert rig.letters() == "FA" and rig.at_rest()


def test_a_flush_error_that_a_device_below_may_have_made_up_is_heard_by_the_path():
    """The map cannot know whose error it is; the path that was asked does."""
    world = World()
    path = world.ram_path("p0", Store(MIB))
    path.driver.answers_are_final = True
    below = world.mapped("below", f"0 2048 flakey {path.device.devt} 0 60 0").devt
    top = world.mapped("top", f"0 2048 multipath 3 queue_if_no_path queue_mode bio 0 1 1 round-robin 0 1 0 {below}")
    client = Client(top, world.disk)
    path.driver.script.append(Answer(IOERR))
    flushes = [client.flush()]
    world.run()
    flushes.append(client.flush())
    world.run()
    assert [flush.status for flush in flushes] == [IOERR, IOERR]
    assert "254:0 A" in top.live_targets()[0].status_info()


def test_a_doubt_without_orphans_leaves_what_waits_where_it_is():
    rig = make_multipath(World(), paths=2, mode="bio", depth=1)
    for path in rig.paths:
        path.driver.default = Answer(silent=True)
    for sector in (0, 100, 200):
        rig.client.read(sector, 4096)
    rig.world.settle()
    first, second = (path.device.requests for path in rig.paths)
    assert ([request.sector for request in first.waiting_requests()], second.waiting_requests()) == ([200], [])
    rig.world.disk.cast_doubt("something may be lost")
    rig.world.settle()
    assert ([request.sector for request in first.waiting_requests()], second.waiting_requests()) == ([200], [])
