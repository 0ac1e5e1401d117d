"""S1-B1, better load balancing, measured: on paths that are alike, and on paths of which one is four times as fast as another."""

import random
from fractions import Fraction

import pytest
from tests.multipath.model_rig import SEQUENTIAL_BIOS, ModelRig

from hawser.block.bio import Bio
from hawser.block.ops import READ
from hawser.block.plug import Plug
from hawser.core.units import KIB
from hawser.lab.model_driver import T4_NS
from hawser.lab.world import Client

SIZES = [4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB]


class Steady(Client):
    """Keeps so many reads on their way, until it has asked for `left` of them. Notes how many bytes each path has in flight
    whenever one ends."""

    def __init__(self, rig: ModelRig, left: int, together: int, sizes: list[int]) -> None:
        super().__init__(rig.device, rig.world.disk)
        self.dice = random.Random(3)
        self.left = left
        self.sizes = sizes
        self.paths = rig.target().state.paths
        self.seen = [0] * len(self.paths)
        for _ in range(together):
            self.ask()

    def ask(self) -> None:
        self.left -= 1
        # Every 2 MiB: nothing merges.
        plug = Plug(False)
        self.device.submit(Bio(READ, self.left * 4096 % 2_000_000, self.dice.choice(self.sizes), self), plug)

    def bio_done(self, bio: Bio) -> None:
        super().bio_done(bio)
        if self.left > 0:
            for number, path in enumerate(self.paths):
                self.seen[number] += path.in_flight_bytes
            self.ask()


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_equal_paths_have_as_many_bytes_in_flight(mode: str):
    """The largest is at most 1.25 times the smallest, over the time of 2,000 reads whose sizes differ by a factor of 64."""
    rig = ModelRig(mode, paths=4, depth=64, k=2.7, selector="service-time 0")
    client = Steady(rig, 2000, 32, SIZES)
    rig.run()
    assert len(client.done) == 2000
    assert Fraction(max(client.seen), min(client.seen)) <= Fraction(5, 4)


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_unequal_paths_are_done_at_the_same_time(mode: str):
    """Speeds of 1, 2 and 4, which the selector was told: within 5 % of the time in which all three together could do it."""
    rig = ModelRig(
        mode, paths=3, depth=128, k=0, speeds=[1, 2, 4], selector="service-time 0", path_words=["1 1", "1 2", "1 4"]
    )
    client = Steady(rig, 2000, 126, [64 * KIB])
    took_ns = rig.run()
    assert len(client.done) == 2000
    assert took_ns <= Fraction(105, 100) * 2000 * 16 * T4_NS / 7


def test_a_path_change_with_each_request_costs_nothing():
    """A sequential job is as many times as fast as there are paths, although every request takes another one."""
    took_ns = []
    for paths in (1, 4):
        rig = ModelRig("rq", paths=paths, depth=32, k=2.7)
        rig.submit(list(range(0, SEQUENTIAL_BIOS // 4 * 8, 8)), batch=128)
        took_ns.append(rig.run())
    assert took_ns[0] >= Fraction(38, 10) * took_ns[1]
