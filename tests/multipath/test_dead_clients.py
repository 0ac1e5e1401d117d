"""A client that went away must not find its writes landing later: what was not sent dies, what was sent fences its sectors."""

import pytest

from hawser.block.bio import Bio
from hawser.block.ops import FLUSH, PREFLUSH, WRITE
from hawser.block.orphan import PROOF_ANSWER
from hawser.block.plug import Plug
from hawser.block.request import UNKNOWN
from hawser.core.status import IOERR, OK, TIMEOUT
from hawser.core.units import KIB, NS_PER_MS
from hawser.lab.world import Answer, Client, RamPath, Rig, World, make_multipath

DEAD, ALIVE = b"x" * 4096, b"a" * 4096


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def make(mode: str, **options) -> tuple[Rig, Client]:
    rig = make_multipath(World(), mode=mode, **options)
    return rig, Client(rig.device, rig.world.disk)


def die(rig: Rig) -> None:
    rig.client.dead = True
    rig.device.cancel_dead()


def test_what_was_not_dispatched_dies_with_its_client(mode: str):
    rig, other = make(mode, depth=1)
    for path in rig.paths:
        path.driver.default = Answer(delay_ns=NS_PER_MS)
    other.read(800, 512)
    other.read(1600, 512)
    writes = [rig.client.write(8 * number, DEAD) for number in range(4)]
    die(rig)
    assert all(bio.finished and bio.status == IOERR for bio in writes)
    rig.world.run()
    assert not any(op == WRITE for path in rig.paths for op, _, _ in path.driver.sent)
    assert rig.store.data == bytes(len(rig.store.data))
    assert len(other.done) == 2
    assert rig.at_rest()


def test_what_was_dispatched_fences_its_sectors_for_others_until_it_ends(mode: str):
    rig, other = make(mode)
    rig.paths[0].driver.script.append(Answer(delay_ns=10 * NS_PER_MS))
    rig.client.write(0, DEAD)
    die(rig)
    write, read, far = other.write(0, ALIVE), other.read(0, 512), other.write(80, ALIVE)
    rig.world.pass_time(9 * NS_PER_MS)
    assert (write.finished, read.finished, far.finished) == (False, False, True)
    rig.world.run()
    assert rig.store.data[:4096] == ALIVE
    assert len(rig.client.done) == 1
    assert not rig.world.disk.fences.active
    assert rig.at_rest()


def test_if_its_answer_is_lost_the_ghost_goes_on_fencing(mode: str):
    rig, other = make(mode)
    rig.paths[0].driver.script.append(Answer(TIMEOUT, fate=UNKNOWN, delay_ns=NS_PER_MS))
    rig.client.write(0, DEAD)
    die(rig)
    write = other.write(0, ALIVE)
    rig.world.run()
    assert not write.finished
    assert len(rig.client.done) == 1, "its retry is not sent"
    assert rig.paths[1].driver.sent == []
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert rig.store.data[:4096] == ALIVE
    assert rig.at_rest()


def test_clients_merged_in_one_request_die_apart(mode: str):
    """The whole is in flight; its retry carries only what the living asked for."""
    rig, other = make(mode, paths=1, groups=2)
    rig.paths[0].driver.script.append(Answer(TIMEOUT, delay_ns=NS_PER_MS))
    bios = [
        Bio(WRITE, n * 8, 4 * KIB, client, data)
        for n, (client, data) in enumerate([(other, ALIVE), (rig.client, DEAD), (other, ALIVE)])
    ]
    other.submit(bios)
    assert rig.paths[0].driver.sent == [(WRITE, 0, 12 * KIB)]
    die(rig)
    rig.world.run()
    assert [bio.status == OK for bio in bios] == [True, False, True]
    assert bytes(rig.store.data[: 12 * KIB]) == ALIVE + bytes(4096) + ALIVE
    assert rig.at_rest()


def test_a_merged_write_of_dead_and_living_that_succeeds_is_told_to_all(mode: str):
    rig, other = make(mode, paths=1)
    rig.paths[0].driver.script.append(Answer(delay_ns=NS_PER_MS))
    bios = [
        Bio(WRITE, 0, 4096, rig.client, DEAD),
        Bio(WRITE, 8, 4096, other, ALIVE),
        Bio(WRITE, 16, 4096, other, ALIVE),
    ]
    other.submit(bios)
    die(rig)
    rig.world.run()
    assert [bio.status for bio in bios] == [OK] * 3
    assert rig.at_rest()


def test_dying_twice_fences_once(mode: str):
    rig, other = make(mode)
    rig.paths[0].driver.script.append(Answer(delay_ns=NS_PER_MS))
    rig.client.write(0, DEAD)
    die(rig)
    for _ in range(5):
        rig.device.cancel_dead()
    assert len(rig.world.disk.fences.orphans) == 1
    write = other.write(0, ALIVE)
    rig.world.run()
    assert write.finished
    assert rig.at_rest()


def test_what_waits_behind_a_fence_dies_too(mode: str):
    rig, other = make(mode)
    rig.paths[0].driver.script.append(Answer(TIMEOUT, fate=UNKNOWN))
    other.write(0, ALIVE)
    rig.world.settle()
    fenced, living = rig.client.write(0, DEAD), other.write(0, b"b" * 4096)
    rig.world.settle()
    die(rig)
    rig.world.settle()
    assert (fenced.finished, fenced.status, living.finished) == (True, IOERR, False)
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert living.finished
    assert rig.store.data[:4096] == b"b" * 4096
    assert rig.at_rest()


def test_io_of_somebody_else_on_the_path_itself_is_not_fenced_for_ever(mode: str):
    """A checker reads and writes a path directly; no map will tell of its end."""
    rig, other = make(mode)
    direct = Client(rig.paths[0].device)
    rig.paths[0].driver.script.append(Answer(delay_ns=NS_PER_MS))
    direct.write(0, DEAD)
    direct.dead = True
    die(rig)
    rig.world.run()
    assert not rig.world.disk.fences.active
    assert other.write(0, ALIVE) is not None
    rig.world.run()
    assert rig.at_rest()


def make_full() -> tuple[Rig, Client, RamPath]:
    """The one path's tag is in use, and it takes what it cannot send."""
    rig, other = make("rq", paths=1, depth=1)
    path = rig.paths[0]
    path.device.requests.feedback = False
    path.driver.script.append(Answer(delay_ns=NS_PER_MS))
    other.read(800, 512)
    rig.world.settle()
    return rig, other, path


def test_what_waits_at_a_path_for_a_tag_dies_too():
    """Without feedback a path takes what it cannot send: mapped is not sent."""
    rig, other, path = make_full()
    rig.client.write(0, DEAD)
    rig.world.settle()
    assert path.device.requests.waiting() == 1
    die(rig)
    write = other.write(0, ALIVE)
    rig.world.run()
    assert [op for op, _, _ in path.driver.sent].count(WRITE) == 1
    assert (write.status, rig.client.done[0].status) == (OK, IOERR)
    assert rig.store.data[:4096] == ALIVE
    assert rig.letters() == "A", "the path has done nothing wrong"
    assert rig.at_rest()


def test_of_what_waits_at_a_path_the_living_part_is_sent():
    rig, other, path = make_full()
    plug = Plug()
    bios = [
        Bio(WRITE, 8 * number, 4096, owner, data)
        for number, (owner, data) in enumerate([(other, ALIVE), (rig.client, DEAD), (other, ALIVE)])
    ]
    for bio in bios:
        rig.device.submit(bio, plug)
    plug.finish()
    rig.world.settle()
    die(rig)
    rig.world.run()
    assert [bio.status for bio in bios] == [OK, IOERR, OK]
    assert sorted(path.driver.sent[1:]) == [(WRITE, 0, 4096), (WRITE, 16, 4096)]
    assert rig.at_rest()


def test_what_waits_in_a_map_below_a_map_dies_too():
    """There it is a clone that nobody has sent."""
    rig, _ = make("rq", features="queue_if_no_path")
    top = rig.world.mapped(
        "top", f"0 {rig.device.size_sectors} multipath 1 queue_if_no_path 0 1 1 round-robin 0 1 0 254:0"
    )
    for path in rig.paths:
        rig.message(f"fail_path {path.device.devt}")
    client, other = Client(top, rig.world.disk), Client(top, rig.world.disk)
    dead = client.write(0, DEAD)
    rig.world.pass_time(NS_PER_MS)
    client.dead = True
    top.cancel_dead()
    rig.world.settle()
    assert dead.status == IOERR
    rig.message(f"reinstate_path {rig.paths[0].device.devt}")
    write = other.write(0, ALIVE)
    rig.world.run()
    assert write.status == OK
    assert rig.store.data[:4096] == ALIVE
    assert [sent for path in rig.paths for sent in path.driver.sent] == [(WRITE, 0, 4096)]
    assert top.idle() and rig.at_rest()


def test_data_behind_a_flush_dies_with_its_client(mode: str):
    """Found by random worlds: the flush before it was on its way when the client went away, and the data followed it."""
    rig, other = make(mode)
    for path in rig.paths:
        path.driver.default = Answer(delay_ns=NS_PER_MS)
    write = rig.client.write(0, DEAD, PREFLUSH)
    rig.world.settle()
    assert [op for path in rig.paths for op, _, _ in path.driver.sent] == [FLUSH]
    die(rig)
    newer = other.write(0, ALIVE)
    rig.world.run()
    assert (write.finished, write.status, newer.status) == (True, IOERR, OK)
    assert [op for path in rig.paths for op, _, _ in path.driver.sent].count(WRITE) == 1
    assert rig.store.data[:4096] == ALIVE
    assert rig.at_rest()
