"""Found by random worlds: maps over maps, and devices that only pass I/O on."""

import pytest
from tests.dm.controls import begin_suspend
from tests.dm.stacked import MODES, Stacked

from hawser.block.bio import Bio
from hawser.block.ops import READ, WRITE
from hawser.block.orphan import PROOF_ANSWER
from hawser.block.queue import WAITING_MAX
from hawser.block.request import UNKNOWN
from hawser.core.status import IOERR, OK, TIMEOUT, TRANSPORT
from hawser.core.units import MIB, NS_PER_MS, NS_PER_S
from hawser.lab.world import Answer, Client, RamPath, Store, World

OLD, NEW, NEWER = b"o" * 4096, b"n" * 4096, b"N" * 4096
SLOW = Answer(delay_ns=10 * NS_PER_MS)
LOST = Answer(TIMEOUT, fate=UNKNOWN, delay_ns=NS_PER_MS)


# A map over maps.


@pytest.fixture(params=MODES, ids="-over-".join)
def modes(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


def two_writes(stacked: Stacked) -> list[Bio]:
    """Sectors 0..15, merged in one request where requests are merged."""
    return stacked.client.submit([Bio(WRITE, n * 8, 4096, stacked.client, NEW) for n in range(2)])


def test_the_map_above_is_told_of_what_the_map_below_has_done(modes: tuple[str, str]):
    """The map below ended the bios, which both share, and did not say so: above, tag and path stayed in use for ever."""
    stacked = Stacked(modes)
    stacked.store.data[:4096] = OLD
    read, flush = stacked.client.read(0, 4096), stacked.client.flush()
    writes = two_writes(stacked)
    stacked.world.run()
    assert [bio.status for bio in (read, flush, *writes)] == [OK] * 4
    assert (read.data, bytes(stacked.store.data[:8192])) == (OLD, NEW + NEW)
    assert len(stacked.client.done) == 4
    assert stacked.at_rest()


def test_an_error_below_is_tried_again_above(modes: tuple[str, str]):
    """The map below told the clients of the error itself, though the map above knew another way."""
    stacked = Stacked(modes)
    stacked.paths[0][0].driver.script.append(Answer(TRANSPORT))
    writes = two_writes(stacked)
    stacked.world.run()
    assert [bio.status for bio in writes] == [OK, OK]
    assert stacked.paths[1][0].driver.store.data[:8192] == NEW + NEW
    assert stacked.at_rest()


def test_of_an_error_below_no_good_part_is_told_twice():
    """The map below told the good part of a request that the map above then sent again as a whole, and told once more."""
    stacked = Stacked()
    stacked.paths[0][0].driver.script.append(Answer(TRANSPORT, good_bytes=4096))
    writes = two_writes(stacked)
    stacked.world.run()
    assert [bio.status for bio in writes] == [OK, OK]
    assert stacked.paths[1][0].driver.sent == [(WRITE, 0, 8192)]
    assert len(stacked.client.done) == 2
    assert stacked.at_rest()


def test_what_was_done_in_two_tries_below_is_told_above_once():
    """Of a read whose first part came by one path and whose rest by another, the map above must get all."""
    stacked = Stacked(paths=2)
    stacked.store.data[:8192] = OLD + NEW
    stacked.paths[0][0].driver.script.append(Answer(TRANSPORT, good_bytes=4096))
    reads = stacked.client.submit([Bio(READ, n * 8, 4096, stacked.client) for n in range(2)])
    stacked.world.run()
    assert [bytes(bio.data or b"") for bio in reads] == [OLD, NEW]
    assert [path.driver.sent for path in stacked.paths[0]] == [[(READ, 0, 8192)]] * 2
    assert stacked.at_rest()


def test_what_is_withheld_below_is_told_above_when_the_proof_has_come(modes: tuple[str, str]):
    """What had waited for a proof was told by the map below as well, past the map above."""
    stacked = Stacked(modes, maps=1, paths=2)
    first, second = stacked.paths[0]
    first.driver.script.append(LOST)
    second.driver.script.append(SLOW)
    older, newer = stacked.client.write(0, NEW), stacked.client.write(0, NEWER)
    stacked.world.run()
    assert (older.finished, newer.finished) == (False, True)
    first.driver.settle(PROOF_ANSWER)
    stacked.world.run()
    assert (older.status, len(stacked.client.done)) == (OK, 2)
    assert stacked.at_rest()


def test_the_retry_above_passes_the_fence_of_its_own_ghost_below(modes: tuple[str, str]):
    """The lower map lost its only path, and the upper one knew another way. Request-based, the retry waited for its own ghost;
    and where all are bio-based both maps told the ghost that its write had succeeded."""
    stacked = Stacked(modes)
    stacked.paths[0][0].driver.script.append(LOST)
    write = stacked.client.write(0, NEW)
    stacked.world.run()
    assert (write.finished, write.status) == (True, OK)
    (orphan,) = stacked.world.disk.fences.orphans
    assert orphan.unacked == 0
    read, newer = stacked.client.read(0, 4096), stacked.client.write(0, NEWER)
    stacked.world.run()
    assert (read.data, newer.finished) == (NEW, False)
    stacked.paths[0][0].driver.settle(PROOF_ANSWER)
    stacked.world.run()
    assert (newer.status, bytes(stacked.store.data[:4096])) == (OK, NEWER)
    assert stacked.at_rest()


def test_the_retry_above_is_not_told_while_its_ghost_may_undo_another_write(modes: tuple[str, str]):
    stacked = Stacked(modes, maps=3)
    stacked.paths[0][0].driver.script.append(LOST)
    stacked.paths[1][0].driver.script.append(SLOW)
    older, newer = stacked.client.write(0, NEW), stacked.client.write(0, NEWER)
    stacked.world.run()
    assert (older.finished, newer.finished) == (False, True)
    stacked.paths[0][0].driver.settle(PROOF_ANSWER)
    stacked.world.run()
    assert (older.finished, older.status) == (True, OK)
    assert stacked.at_rest()


def test_what_a_flush_suspend_below_cannot_map_goes_back_up():
    """It maps past the queue what a fence has let go; when no path was left by then, the map above never heard of it."""
    stacked = Stacked(paths=3)
    (low, other), paths = stacked.lower, stacked.paths[0]
    stacked.device.message(0, ["fail_path", other.devt])
    paths[0].driver.script.append(LOST)
    paths[1].driver.script.append(Answer(TRANSPORT, delay_ns=2 * NS_PER_MS))
    older, newer = stacked.client.write(0, NEW), stacked.client.write(0, NEWER)
    stacked.world.pass_time(5 * NS_PER_MS)
    assert (older.finished, newer.finished, low.in_flight()) == (False, False, 2), (
        "one is withheld, one waits behind the fence"
    )
    for path in paths:
        low.message(0, ["fail_path", path.device.devt])
    stacked.device.message(0, ["reinstate_path", other.devt])
    heard = begin_suspend(low)
    paths[0].driver.settle(PROOF_ANSWER)
    stacked.world.run()
    assert heard.words == ["suspended"]
    assert (older.status, newer.status) == (OK, OK)
    assert stacked.paths[1][0].driver.sent == [(WRITE, 0, 4096)]
    assert stacked.at_rest()


def test_a_dead_clients_request_that_waits_below_comes_back_whole():
    """The bios of dead clients were taken out of it, though it belongs to the map above, which was never told of its end."""
    stacked = Stacked(maps=1, features="queue_if_no_path")
    (path,) = stacked.paths[0]
    path.driver.script.append(Answer(TRANSPORT))
    bio = stacked.client.write(0, NEW)
    stacked.world.pass_time(NS_PER_MS)
    stacked.client.dead = True
    stacked.device.cancel_dead()
    stacked.world.pass_time(NS_PER_S)
    stacked.lower[0].message(0, ["reinstate_path", path.device.devt])
    stacked.world.run()
    assert bio.finished
    assert stacked.at_rest()


# Congestion.


def full_path(world: World) -> tuple[RamPath, Client]:
    """As much as may waits for the one tag of a path."""
    path = world.ram_path("p0", Store(MIB), depth=1)
    path.driver.default = Answer(silent=True)
    return path, Client(path.device)


@pytest.mark.parametrize("tables", [["linear 259:0 0"], ["linear 259:0 0", "linear dev0 0"]])
def test_a_linear_device_is_congested_when_what_is_below_it_is(tables: list[str]):
    """It looked at nothing below, so that clients went on submitting without limit."""
    world = World()
    path, client = full_path(world)
    for number, table in enumerate(tables):
        device = world.mapped(f"dev{number}", f"0 2048 {table}")
    client.submit([Bio(READ, 16 * (n % 64), 512, client) for n in range(WAITING_MAX)])
    assert not device.congested()
    client.submit([Bio(READ, 8, 512, client)])
    assert device.congested()
    path.driver.default = Answer()
    path.driver.deliver_all(Answer())
    world.run()
    assert not device.congested()


def test_a_linear_device_over_a_map_without_a_path_is_congested_in_the_end(mode: str):
    """What waits for a path waits in the map below it."""
    world = World()
    path = world.ram_path("p0", Store(MIB))
    path.driver.script.append(Answer(TRANSPORT))
    map_ = world.mapped("low", f"0 2048 multipath 3 queue_if_no_path queue_mode {mode} 0 1 1 round-robin 0 1 0 259:0")
    client = Client(world.mapped("top", "0 2048 linear low 0"), world.disk)
    for number in range(2 * WAITING_MAX):
        client.read(16 * (number % 64), 512)
        if client.device.congested():
            break
        world.settle()
    assert client.device.congested()
    assert client.done == []
    map_.message(0, ["reinstate_path", "259:0"])
    world.run()
    assert not client.device.congested()
    assert {bio.status for bio in client.done} == {OK}


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def test_a_map_over_linear_devices_is_congested_when_a_path_below_them_is():
    """The map looked for what waits in its own paths' queues, and a linear device has none."""
    world = World()
    path, client = full_path(world)
    world.mapped("lin", "0 2048 linear 259:0 0")
    device = world.mapped("top", "0 2048 multipath 2 queue_mode bio 0 1 1 round-robin 0 1 0 lin")
    client.submit([Bio(READ, 16 * (n % 64), 512, client) for n in range(WAITING_MAX + 1)])
    assert device.congested()
    path.driver.default = Answer()
    path.driver.deliver_all(Answer(IOERR))
    world.run()
    assert not device.congested()
