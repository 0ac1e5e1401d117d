"""Before anything is served: do these paths lead to one disk?"""

import pytest

from hawser.core.status import TRANSPORT
from hawser.core.units import KIB, MIB, NS_PER_S
from hawser.lab.world import LIMITS, Answer, RamPath, Store, World
from hawser.manager.identity import BLOCK, BLOCKS, IdentityCheck, IdentityListener, sample_sectors, sample_size


class Result(IdentityListener):
    def __init__(self) -> None:
        self.told: list[dict[str, str]] = []

    def compared(self, problems: dict[str, str]) -> None:
        self.told.append(problems)


class Shelf:
    """Paths to stores of their own with the same random content."""

    def __init__(self, count: int, size: int = MIB) -> None:
        self.world = World()
        content = bytes((n * n + n // 4096) % 251 for n in range(size))
        self.paths: list[RamPath] = []
        for number in range(count):
            store = Store(size)
            store.data[:] = content
            self.paths.append(self.world.ram_path(f"p{number}", store))
        self.result = Result()
        self.check = IdentityCheck([path.device for path in self.paths], self.result)

    def compare(self) -> dict[str, str]:
        self.check.start()
        self.world.run()
        assert len(self.result.told) == 1, "told once"
        return self.result.told[0]


def test_paths_to_one_disk_agree():
    assert Shelf(3).compare() == {}


def test_the_path_that_differs_is_named_with_the_place():
    shelf = Shelf(3)
    shelf.paths[1].driver.store.data[0] ^= 1
    assert shelf.compare() == {"259:1": "not the same disk as p0: the content of sector 0 differs"}


def test_the_end_of_the_disk_counts_too():
    shelf = Shelf(2)
    shelf.paths[1].driver.store.data[-1] ^= 1
    assert "sector 2040" in shelf.compare()["259:1"]


def test_a_path_that_cannot_be_read_is_named_and_is_not_the_measure():
    shelf = Shelf(3)
    shelf.paths[0].driver.default = Answer(TRANSPORT)
    problems = shelf.compare()
    assert list(problems) == ["259:0"]
    assert "recoverable transport error" in problems["259:0"]


def test_no_path_is_no_problem():
    assert Shelf(0).compare() == {}


def test_a_path_that_does_not_answer_in_time_is_not_trusted_and_not_waited_for():
    shelf = Shelf(3)
    shelf.paths[0].driver.default = Answer(delay_ns=10 * NS_PER_S)
    shelf.paths[2].driver.store.data[0] ^= 1
    shelf.check.start()
    shelf.world.pass_time(NS_PER_S)
    assert shelf.result.told == []
    shelf.check.give_up("too slow")
    expected = {"259:0": "too slow", "259:2": "not the same disk as p1: the content of sector 0 differs"}
    assert shelf.result.told == [expected]
    shelf.world.run()
    shelf.check.give_up("too slow")
    assert shelf.result.told == [expected], "told once"


@pytest.mark.parametrize("size", [512, 1536, 4 * KIB, 5 * KIB, 64 * KIB, 3 * MIB + 512])
def test_samples_are_whole_blocks_within_the_disk(size: int):
    sectors = sample_sectors(size // 512)
    assert sectors == sorted(set(sectors))
    assert sectors[0] == 0
    assert len(sectors) <= BLOCKS
    assert all(sector * 512 + min(BLOCK, size) <= size for sector in sectors)
    assert sectors == sample_sectors(size // 512), "the same for every path"


def test_a_disk_of_large_blocks_is_sampled_in_these():
    world = World()
    limits = LIMITS.__class__(logical_block_size=64 * KIB)
    device = world.ram_path("p", Store(MIB), limits=limits).device
    assert sample_size(device) == 64 * KIB
    assert all(sector % 128 == 0 for sector in sample_sectors(device.size_sectors, 64 * KIB))
    result = Result()
    IdentityCheck([device], result).start()
    world.run()
    assert result.told == [{}]


def test_a_disk_smaller_than_a_sample_is_read_as_a_whole():
    shelf = Shelf(2, 1536)
    shelf.paths[1].driver.store.data[1535] ^= 1
    assert list(shelf.compare()) == ["259:1"]
