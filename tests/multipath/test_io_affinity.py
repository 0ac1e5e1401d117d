"""io-affinity: which CPU, that is whose connection, takes which path (`seeds.md` 3.16; L-8)."""

import pytest
from tests.multipath.model_rig import mapper
from tests.multipath.test_selectors import make

from hawser.block.bio import Bio
from hawser.block.ops import FLUSH, READ, WRITE
from hawser.core.status import OK, TRANSPORT
from hawser.dm.target import TableError
from hawser.lab.world import Answer, Client, Rig, Store, World
from hawser.multipath.path import Path
from hawser.multipath.selectors.base import PathSelector
from hawser.multipath.selectors.io_affinity import IoAffinity, parse_mask, print_mask
from hawser.multipath.target import Multipath

NAME = "io-affinity"


def selector_of(masks: list[str], cpus: int = 0) -> tuple[IoAffinity, list[Path]]:
    _, paths = make("round-robin", [""] * len(masks))
    selector = IoAffinity()
    selector.cpus = cpus
    for path, mask in zip(paths, masks, strict=True):
        selector.add_path(path, [mask])
    return selector, paths


def taken(selector: PathSelector, paths: list[Path], cpus: range) -> list[int]:
    """The path of each CPU; -1 where there is none."""
    chosen = []
    for cpu in cpus:
        selector.cpu = cpu
        path = selector.select(4096)
        chosen.append(paths.index(path) if path is not None else -1)
    return chosen


def test_each_cpu_takes_its_path():
    selector, paths = selector_of(["2", "5", "8"], cpus=4)
    assert taken(selector, paths, range(4)) == [1, 0, 1, 2]
    assert selector.misses == 0


def test_the_first_claim_wins_and_the_others_are_told():
    selector, paths = selector_of(["3", "6"], cpus=4)
    assert taken(selector, paths, range(3)) == [0, 0, 1]
    assert [text for _, text in selector.log.lines] == ["multipath io-affinity: CPU mapping for 1 exists. Ignoring."]
    assert [selector.table_words(path) for path in paths] == ["3", "6"], "as it was asked for"


@pytest.mark.parametrize("mask", ["1", "0"])
def test_a_path_that_gains_no_cpu_is_refused(mask: str):
    with pytest.raises(TableError, match="io-affinity ps: No new/valid CPU mapping found"):
        selector_of(["1", mask])


def test_a_cpu_without_a_path_is_a_miss_and_takes_the_lowest_ones():
    selector, paths = selector_of(["4", "2"], cpus=4)
    assert taken(selector, paths, range(4)) == [1, 1, 0, 1]
    assert selector.misses == 2
    assert [selector.info_words(path) for path in paths] == ["2", "2"]


def test_a_cpu_whose_path_has_failed_takes_the_lowest_other_and_that_is_no_miss():
    selector, paths = selector_of(["1", "2", "4"])
    selector.fail_path(paths[0])
    assert taken(selector, paths, range(3)) == [1, 1, 2]
    selector.fail_path(paths[1])
    assert taken(selector, paths, range(3)) == [2, 2, 2]
    selector.reinstate_path(paths[0])
    assert taken(selector, paths, range(3)) == [0, 0, 2]
    assert selector.misses == 0


def test_without_a_path_in_use_there_is_none():
    selector, paths = selector_of(["1", "2"])
    for path in paths:
        selector.fail_path(path)
    assert taken(selector, paths, range(2)) == [-1, -1]


def test_connections_count_round():
    selector, paths = selector_of(["1", "2", "4"])
    assert taken(selector, paths, range(7)) == [0, 1, 2, 0, 1, 2, 0]
    assert selector.misses == 0


@pytest.mark.parametrize(
    ("word", "bits", "mask"),
    [
        ("1", 2, 1),
        ("3", 2, 3),
        ("00000001", 2, 1),
        ("F", 4, 15),
        ("1,00000000", 40, 1 << 32),
        ("1,,2", 40, 1 << 32 | 2),
        (",1,", 40, 1),
        ("0", 2, 0),
        (",", 2, 0),
        ("x00000001", 2, 1),
        ("1x00000002", 40, 1 << 32 | 2),
    ],
)
def test_masks(word: str, bits: int, mask: int):
    assert parse_mask(word, bits) == mask


@pytest.mark.parametrize(
    ("word", "bits"),
    [
        ("4", 2),
        ("f", 2),
        ("0x1", 2),
        ("zz", 2),
        ("000000001", 2),
        ("0x00000001", 2),
        ("0,1", 2),
        ("100,00000000", 40),
        ("-1", 8),
    ],
)
def test_masks_that_are_refused(word: str, bits: int):
    with pytest.raises(TableError, match="io-affinity ps: invalid cpumask"):
        parse_mask(word, bits)


@pytest.mark.parametrize(
    ("mask", "bits", "text"),
    [(1, 2, "1"), (1, 8, "01"), (1, 32, "00000001"), (1 << 32, 33, "1,00000000"), (5, 40, "00,00000005")],
)
def test_masks_are_printed_with_all_their_digits(mask: int, bits: int, text: str):
    assert print_mask(mask, bits) == text
    assert parse_mask(text, bits) == mask


# In a map.


def rig_of(mode: str, paths: int, clients: int, features: str = "") -> tuple[Rig, list[Client]]:
    """A map whose path n is CPU n's, and clients of the first CPUs."""
    world = World()
    store = Store(1 << 20)
    made = [world.ram_path(f"p{number}", store) for number in range(paths)]
    words = [*features.split(), "queue_mode", mode]
    line = f"0 2048 multipath {len(words)} {' '.join(words)} 0 1 1 {NAME} 0 {paths} 1"
    for number, path in enumerate(made):
        line += f" {path.device.devt} {print_mask(1 << number, number + 1)}"
    device = world.mapped("mpatha", line)
    found = [Client(device, world.disk) for _ in range(clients)]
    for cpu, client in enumerate(found):
        client.cpu = cpu
    return Rig(world, store, made, device, found[0]), found


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_all_io_of_a_cpu_goes_to_its_path(mode: str):
    """L-8: 16 CPUs, 16 paths, 4 KiB. Each has sectors of its own: what of several merged would have the CPU of the first."""
    rig, clients = rig_of(mode, 16, 16)
    rounds = 32
    for number in range(rounds):
        for cpu, client in enumerate(clients):
            sector = cpu * 128 + number * 16 % 128
            client.submit([Bio(READ if number % 2 else WRITE, sector, 4096, client, bytes(4096))])
        rig.world.run()
    for cpu, path in enumerate(rig.paths):
        assert len(path.driver.sent) == rounds
        assert all(sector // 128 == cpu for _, sector, _ in path.driver.sent)
    assert rig.status().split()[-1] == "0", "no misses"
    assert all(bio.status == OK for client in clients for bio in client.done)


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_a_flush_goes_where_its_client_goes(mode: str):
    rig, clients = rig_of(mode, 3, 3)
    clients[2].submit([Bio(FLUSH, 0, 0, clients[2])])
    rig.world.run()
    assert [[op for op, _, _ in path.driver.sent] for path in rig.paths] == [[], [], [FLUSH]]


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_what_its_path_fails_goes_to_another_and_the_next_too(mode: str):
    rig, clients = rig_of(mode, 3, 3)
    rig.paths[2].driver.script.append(Answer(TRANSPORT))
    for _ in range(2):
        clients[2].submit([Bio(READ, 0, 4096, clients[2])])
        rig.world.run()
    assert [len(path.driver.sent) for path in rig.paths] == [2, 0, 1]
    assert rig.letters() == "AAF"
    rig.message("reinstate_path 259:2")
    clients[2].submit([Bio(READ, 0, 4096, clients[2])])
    rig.world.run()
    assert [len(path.driver.sent) for path in rig.paths] == [2, 0, 2]


def test_a_request_that_waited_above_still_has_its_cpu():
    """It is dispatched when another client's I/O ends. (Linux: by whoever runs the queue then.)"""
    rig, clients = rig_of("rq", 2, 2)
    own = mapper(rig).stack.own
    own.quiesce()
    clients[1].submit([Bio(READ, 64, 4096, clients[1])])
    clients[0].submit([Bio(READ, 0, 4096, clients[0])])
    rig.world.run()
    own.unquiesce()
    rig.world.run()
    assert [[sector for _, sector, _ in path.driver.sent] for path in rig.paths] == [[0], [64]]


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_without_any_path_in_use_no_selector_is_asked(mode: str):
    """So that nothing is counted as a miss then (transcript affinity-and-history)."""
    rig, clients = rig_of(mode, 2, 1)
    clients[0].cpu = 0
    target = rig.device.live_targets()[0]
    assert isinstance(target, Multipath)
    selector = target.state.groups[0].selector
    assert isinstance(selector, IoAffinity)
    selector.owners[0] = None
    for _ in range(3):
        clients[0].submit([Bio(READ, 0, 4096, clients[0])])
        rig.world.run()
    assert rig.status().endswith("259:0 A 0 3 259:1 A 0 3 ")
    rig.message("fail_path 259:0")
    rig.message("fail_path 259:1")
    for _ in range(3):
        clients[0].submit([Bio(READ, 0, 4096, clients[0])])
        rig.world.run()
    assert rig.status().endswith("259:0 F 1 3 259:1 F 1 3 ")


def test_why_a_path_was_chosen():
    selector, paths = selector_of(["1", "4"], cpus=3)
    selector.cpu = 2
    first, second = (path.device.devt for path in paths)
    masks = f"of {first} 1, {second} 4"
    assert selector.explain(paths[1], 4096) == f"io-affinity: that of CPU 2, {masks}"
    selector.cpu = 1
    assert selector.explain(paths[0], 4096) == f"io-affinity: the first one, as CPU 1 has none, {masks}"
    selector.fail_path(paths[1])
    selector.cpu = 2
    expected = f"io-affinity: the first one, as CPU 2 has {second}, which is not in use, of {first} 1"
    assert selector.explain(paths[0], 4096) == expected
