"""What a table may be made of: caches of single paths below other devices or two maps; disks that count in another way."""

import pytest

from hawser.block.orphan import PROOF_ANSWER
from hawser.block.request import UNKNOWN
from hawser.core.status import OK, TIMEOUT
from hawser.core.units import MIB
from hawser.dm.table import parse_lines
from hawser.dm.target import TableError
from hawser.lab.world import Answer, Client, Store, World

OVER_ALL = "0 2048 multipath 2 queue_mode {mode} 0 1 1 round-robin 0 {paths} 0 {words}"
OLD, NEW = b"o" * 4096, b"n" * 4096


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def table(mode: str, *words: str) -> str:
    return OVER_ALL.format(mode=mode, paths=len(words), words=" ".join(words))


def apart(mode: str, *words: str) -> str:
    """The same, each path in a group of its own."""
    groups = " ".join(f"round-robin 0 1 0 {word}" for word in words)
    return f"0 2048 multipath 2 queue_mode {mode} 0 {len(words)} 1 {groups}"


def caches(count: int) -> World:
    """So many paths with caches of their own, over one store."""
    world = World()
    store = Store(MIB)
    for number in range(count):
        world.ram_path(f"p{number}", store, cache="path")
    return world


@pytest.mark.parametrize("depth", [1, 2])
def test_a_cache_that_nobody_would_count_is_refused(depth: int):
    world = caches(1)
    world.mapped("linear0", "0 2048 linear 259:0 0")
    if depth == 2:
        world.mapped("linear1", "0 2048 linear 254:0 0")
    refusal = rf"linear{depth - 1} leads to p0, which has a cache of its own \(cache=path\).* use p0 itself, or declare cache=lun"
    with pytest.raises(TableError, match=refusal):
        world.mapped("mpatha", table("bio", f"254:{depth - 1}"))
    assert world.disk.fences.listeners == []


@pytest.mark.parametrize("cache", ["lun", "none"])
def test_other_caches_may_be_below_anything(cache: str):
    world = World()
    world.ram_path("p0", Store(MIB), cache=cache)
    world.mapped("linear0", "0 2048 linear 259:0 0")
    assert world.mapped("mpatha", table("bio", "254:0")).size_sectors == 2048


def test_a_map_above_a_map_leaves_caches_to_that(mode: str):
    world = caches(2)
    world.mapped("lower", apart(mode, "259:0", "259:1"))
    upper = world.mapped("upper", table(mode, "254:0"))
    client = Client(upper, world.disk)
    bio = client.write(0, NEW)
    world.run()
    assert bio.status == OK


def test_two_maps_do_not_share_a_disk_whose_paths_have_caches_of_their_own(mode: str):
    world = caches(2)
    first = world.mapped("mpatha", table(mode, "259:0"))
    for word in ("259:0", "259:1"):
        with pytest.raises(
            TableError, match=r"cache of its own .* 254:0 uses lab already: .* remove 254:0, or declare"
        ):
            world.mapped("mpathb", table(mode, word))
    first.remove()
    world.run()
    assert world.mapped("mpathb", table(mode, "259:1")).size_sectors == 2048


def test_a_map_may_change_its_own_paths_with_caches(mode: str):
    world = caches(2)
    device = world.mapped("mpatha", table(mode, "259:0"))
    device.load(parse_lines(table(mode, "259:1")), world.registry)
    device.suspend(True)
    world.run()
    device.resume()
    assert [path.name for path in device.live_targets()[0].devices()] == ["p1"]


def test_two_maps_may_share_other_disks(mode: str):
    world = World()
    world.ram_path("p0", Store(MIB))
    for name in ("mpatha", "mpathb"):
        assert world.mapped(name, table(mode, "259:0")).size_sectors == 2048


def test_a_fence_of_a_map_that_counts_in_another_way_is_not_mistaken_for_one_of_the_disk():
    """Sector 0 of the map on the shifted devices is sector 64 of the disk: a write there of unknown fate does not fence sector 0
    of the map on the path itself."""
    world = World()
    store = Store(MIB)
    shaky, sound = (world.ram_path(name, store) for name in ("p0", "p1"))
    for number in (0, 1):
        world.mapped(f"part{number}", f"0 1024 linear 259:{number} 64")
    whole = Client(world.mapped("whole", table("bio", "259:1")), world.disk)
    shifted = world.mapped("shifted", "0 1024 multipath 2 queue_mode bio 0 1 1 round-robin 0 2 0 254:0 254:1")
    assert shifted.disk is None
    client = Client(shifted)
    shaky.driver.script.append(Answer(TIMEOUT, fate=UNKNOWN))
    ghost, beside = client.write(0, NEW), whole.write(0, OLD)
    world.settle()
    assert (ghost.status, beside.status) == (OK, OK)
    newer = client.write(0, OLD)
    world.settle()
    assert not newer.finished
    shaky.driver.settle(PROOF_ANSWER)
    world.run()
    assert newer.status == OK
    assert bytes(store.data[64 * 512 : 64 * 512 + 4096]) == OLD
    assert sound.driver.sent


def test_one_path_with_a_cache_of_its_own_is_enough(mode: str):
    """The first map has another path, too, that has none."""
    world = caches(1)
    world.ram_path("p1", Store(MIB), cache="lun")
    world.mapped("mpatha", apart(mode, "259:0", "259:1"))
    with pytest.raises(TableError, match=r"254:0 uses lab already"):
        world.mapped("mpathb", table(mode, "259:0"))
