"""Found by random worlds: maps over maps and over linear devices, and errors that hid where the data is."""

import pytest
from tests.dm.controls import load, suspend
from tests.dm.stacked import MODES, Stacked

from hawser.block.bio import Bio
from hawser.block.ops import READ, WRITE
from hawser.block.orphan import PROOF_ANSWER, PROOF_FLUSHED
from hawser.block.request import UNKNOWN
from hawser.core.status import IOERR, OK, TIMEOUT, TRANSPORT
from hawser.core.units import MIB, NS_PER_MS
from hawser.dm.mapped_device import MappedDevice
from hawser.lab.world import Answer, Client, RamPath, Rig, Store, World, make_multipath
from hawser.multipath.target import Multipath

DEAD, ALIVE, DATA = b"x" * 4096, b"a" * 4096, b"d" * 4096
SLOW = Answer(delay_ns=10 * NS_PER_MS)
SILENT = Answer(silent=True)


# A map over maps.


@pytest.fixture(params=MODES, ids="-over-".join)
def modes(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


def counts(stacked: Stacked) -> list[int]:
    """The I/Os that each selector, above and below, takes to be on their way."""
    found: list[int] = []
    for device in [stacked.device, *stacked.lower]:
        target = device.live_targets()[0]
        assert isinstance(target, Multipath)
        found += [path.in_flight for path in target.state.paths]
    return found


@pytest.mark.parametrize("errors", [1, 2, 4])
def test_the_retry_of_an_answered_error_below_leaves_the_counts_above_alone(modes: tuple[str, str], errors: int):
    """Where not to go again was noted over the path that the map above had chosen: counts of I/Os in flight became negative."""
    stacked = Stacked(modes, paths=2, selector="queue-length 0")
    for path in stacked.paths[0]:
        path.driver.answers_are_final = True
        path.driver.script.extend([Answer(IOERR)] * (errors // 2))
    stacked.paths[0][0].driver.script.extend([Answer(IOERR)] * (errors % 2))
    bios = [stacked.client.write(0, DATA), stacked.client.read(800, 512)]
    stacked.world.run()
    assert all(bio.finished for bio in bios)
    assert counts(stacked) == [0] * 6
    assert stacked.at_rest()


def test_the_retry_of_an_answered_error_below_goes_elsewhere_below(modes: tuple[str, str]):
    stacked = Stacked(modes, paths=2)
    first, second = stacked.paths[0]
    first.driver.answers_are_final = True
    first.driver.script.append(Answer(IOERR))
    bio = stacked.client.write(0, DATA)
    stacked.world.run()
    assert (bio.status, first.driver.sent, second.driver.sent) == (OK, [(WRITE, 0, 4096)], [(WRITE, 0, 4096)])


def test_a_map_below_keeps_what_waits_for_a_tag_when_the_path_through_it_fails():
    """The lower map's own path works: what waits there keeps its place."""
    stacked = Stacked(("bio", "bio"), paths=2, depth=1)
    stacked.device.message(0, ["fail_path", "254:1"])
    for path in stacked.paths[0]:
        path.driver.script.append(SLOW)
    bios = [stacked.client.read(0, 512), stacked.client.read(80, 512), stacked.client.write(160, DATA)]
    stacked.device.message(0, ["fail_path", "254:0"])
    stacked.world.run()
    assert [bio.status for bio in bios] == [OK, OK, OK]
    sent = [path.driver.sent for path in stacked.paths[0]]
    assert sent == [[(READ, 0, 512), (WRITE, 160, 4096)], [(READ, 80, 512)]]
    assert "259:0 A 0 259:1 A 0" in stacked.lower[0].live_targets()[0].status_info()


# A map over linear devices. They are bio-based, so that the map is, too.


class OverLinear:
    """Two paths, on each of them linear devices (`tables`, one on the other, `{}` for what is below), and a map on top."""

    def __init__(self, tables: list[str], depth: int = 64) -> None:
        self.world = World()
        self.store = Store(MIB)
        self.paths: list[RamPath] = []
        names: list[str] = []
        for number in range(2):
            path = self.world.ram_path(f"p{number}", self.store, depth)
            self.paths.append(path)
            below = path.device.devt
            for level, table in enumerate(tables):
                below = self.world.mapped(f"lin{number}{level}", table.format(below)).devt
            names.append(below)
        line = f"0 2048 multipath 2 queue_mode bio 0 1 1 round-robin 0 2 0 {' '.join(names)}"
        self.names = names
        self.device = self.world.mapped("top", line)
        self.client = Client(self.device, self.world.disk)

    def at_rest(self) -> bool:
        idle = all(path.device.idle() and not path.driver.outstanding() for path in self.paths)
        return idle and self.device.idle() and not self.world.turn.pending()


PLAIN = "0 2048 linear {} 0"
CUT = "0 4 linear {0} 0\n4 2044 linear {0} 4"


@pytest.fixture(params=[[PLAIN], [PLAIN, PLAIN], [CUT]], ids=["linear", "linear-over-linear", "cut"])
def tables(request: pytest.FixtureRequest) -> list[str]:
    return request.param


def test_what_waits_for_a_tag_below_a_linear_device_goes_elsewhere_when_the_path_fails(tables: list[str]):
    """It stayed in the queue below the linear device, and was sent by the failed path as soon as a tag was free."""
    rig = OverLinear(tables, depth=1)
    first, second = rig.paths
    first.driver.script.append(SILENT)
    rig.device.message(0, ["fail_path", rig.names[1]])
    stuck, waiting = rig.client.read(800, 512), rig.client.write(0, DATA)
    rig.device.message(0, ["reinstate_path", rig.names[1]])
    rig.device.message(0, ["fail_path", rig.names[0]])
    rig.world.run()
    assert (stuck.finished, waiting.status) == (False, OK)
    first.driver.deliver_all(Answer())
    rig.world.run()
    assert first.driver.sent == [(READ, 800, 512)]
    assert sum(size for op, _, size in second.driver.sent if op == WRITE) == 4096
    assert stuck.status == OK
    assert rig.at_rest()


def test_a_dead_clients_write_below_a_linear_device_is_fenced_until_it_ends(tables: list[str]):
    """Nobody looked below the linear device: the dead client's write landed on that of its successor."""
    rig = OverLinear(tables)
    rig.paths[0].driver.default = SLOW
    other = Client(rig.device, rig.world.disk)
    rig.client.write(0, DEAD)
    rig.client.dead = True
    rig.device.cancel_dead()
    successor, read, far = other.write(0, ALIVE), other.read(0, 512), other.write(80, ALIVE)
    rig.world.pass_time(9 * NS_PER_MS)
    assert (successor.finished, read.finished, far.finished) == (False, False, True)
    assert len(rig.world.disk.fences.orphans) == 1
    rig.world.run()
    assert (successor.status, bytes(rig.store.data[:4096])) == (OK, ALIVE)
    assert not rig.world.disk.fences.active
    assert rig.at_rest()


def test_what_is_merged_below_a_linear_device_is_fenced_bio_by_bio(tables: list[str]):
    """The living's part is sent along with the dead one's; each fence ends when its own bio does."""
    rig = OverLinear(tables)
    rig.paths[0].driver.default = SLOW
    rig.device.message(0, ["fail_path", rig.names[1]])
    other = Client(rig.device, rig.world.disk)
    bios = other.submit([Bio(WRITE, 0, 4096, rig.client, DEAD), Bio(WRITE, 8, 4096, other, ALIVE)])
    assert len(rig.paths[0].driver.sent) < len(bios) * len(tables[0].splitlines()), "some are merged"
    rig.client.dead = True
    rig.device.cancel_dead()
    assert [(orphan.start, orphan.end) for orphan in rig.world.disk.fences.orphans] == [(0, 8), (8, 16)]
    rig.world.run()
    assert [bio.status for bio in bios] == [OK, OK]
    assert not rig.world.disk.fences.active
    assert rig.at_rest()


# A write that was answered with an error, on a path with a cache of its own.


@pytest.fixture(params=["rq", "bio"])
def rig(request: pytest.FixtureRequest) -> Rig:
    """Two groups of one path each."""
    return make_multipath(World(), mode=request.param, paths=1, groups=2, cache="path")


def test_a_write_that_failed_its_path_may_be_in_its_cache(rig: Rig):
    """It was not counted, as it had failed: the path was left as if it were clean, and its cache was written back later."""
    device = rig.paths[0].device
    rig.paths[0].driver.script.append(Answer(TRANSPORT))
    bio = rig.client.write(0, DATA)
    rig.world.settle()
    assert (rig.letters(), bio.finished, device.left_behind is not None) == ("FA", False, True)
    device.cache_flushed(device.written)
    rig.world.run()
    assert (bio.status, rig.paths[1].driver.sent) == (OK, [(WRITE, 0, 4096)])
    assert rig.world.disk.fences.proofs == {PROOF_FLUSHED: 1}
    assert rig.at_rest()


def test_a_write_whose_error_was_the_clients_may_be_in_its_paths_cache(rig: Rig):
    """The path is good, and is left much later."""
    device = rig.paths[0].device
    rig.paths[0].driver.answers_are_final = True
    rig.paths[0].driver.script.append(Answer(IOERR))
    bio = rig.client.write(0, DATA)
    rig.world.run()
    assert (bio.status, rig.letters()) == (IOERR, "AA")
    rig.message("switch_group 2")
    read = rig.client.read(0, 512)
    rig.world.run()
    assert (read.finished, device.left_behind is not None) == (False, True)
    device.cache_flushed(device.written)
    rig.world.run()
    assert read.status == OK
    assert rig.at_rest()


def test_a_path_that_fails_takes_none_with_it_that_leads_through_the_same_queue():
    """What waited there came back as an error of transport, and the other path, of which nobody had complained, failed, too."""
    rig = OverLinear([PLAIN], depth=1)
    twin = rig.world.mapped("twin", PLAIN.format(rig.paths[0].device.devt)).devt
    load(rig.world, rig.device, f"0 2048 multipath 2 queue_mode bio 0 1 1 round-robin 0 2 0 {rig.names[0]} {twin}")
    suspend(rig.world, rig.device)
    rig.device.resume()
    rig.paths[0].driver.default = SLOW
    reads = [rig.client.read(8 * number, 512) for number in range(4)]
    rig.device.message(0, ["fail_path", rig.names[0]])
    rig.world.run()
    assert [read.status for read in reads] == [OK] * 4
    target = rig.device.live_targets()[0]
    assert isinstance(target, Multipath)
    assert [path.is_active for path in target.state.paths] == [False, True]
    assert rig.at_rest()


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_a_write_that_fails_without_a_path_silences_what_was_beside_its_first_copy(mode: str):
    """Its late answer has lifted the fence before the other one was acknowledged: which of the two came last nobody knows."""
    rig = make_multipath(World(), paths=1, mode=mode, features="queue_if_no_path")
    driver = rig.paths[0].driver
    driver.script += [Answer(TIMEOUT, fate=UNKNOWN, delay_ns=1), Answer(delay_ns=2)]
    first, second = rig.client.write(0, b"1" * 4096), rig.client.write(0, b"2" * 4096)
    rig.world.pass_time(1)
    driver.settle(PROOF_ANSWER)
    rig.world.pass_time(NS_PER_MS)
    assert (first.finished, second.status) == (False, OK)
    rig.message("fail_if_no_path")
    rig.world.pass_time(1000 * NS_PER_MS)
    assert first.finished and first.status != OK
    assert rig.world.disk.witness.testimonies() == []


def test_what_waits_in_a_suspended_device_goes_elsewhere_when_the_path_through_it_fails():
    """Linux leaves it there until the resume. A client of the device itself has to wait."""
    rig = OverLinear([PLAIN])
    below = rig.world.registry.find("lin00")
    assert isinstance(below, MappedDevice)
    suspend(rig.world, below)
    own = Client(below, rig.world.disk)
    waits = own.read(0, 512)
    reads = [rig.client.read(8 * number, 512) for number in range(4)]
    rig.world.run()
    assert [read.finished for read in reads].count(False) == 2
    rig.device.message(0, ["fail_path", rig.names[0]])
    rig.world.run()
    assert [read.status for read in reads] == [OK] * 4
    assert (rig.paths[0].driver.sent, waits.finished) == ([], False)
    below.resume()
    rig.world.run()
    assert waits.status == OK
    assert rig.at_rest()
