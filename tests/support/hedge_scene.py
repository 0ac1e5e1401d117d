"""A map whose reads are hedged, and what its paths are to answer."""

from hawser.block.bio import Bio
from hawser.block.ops import READ
from hawser.core.status import OK
from hawser.core.units import NS_PER_MS
from hawser.lab.world import Answer, Rig, World, make_multipath
from hawser.multipath.hedge import Hedger
from hawser.multipath.target import Multipath

MS = NS_PER_MS
LIMIT_NS = 10 * MS
# What a late answer takes.
LATE_NS = 100 * MS
FIRST, SECOND = 0, 1


class Scene:
    """A map whose reads are hedged, with credit for some twins; round-robin begins with the first path."""

    def __init__(self, mode: str, percent: int = 100, credit: int = 8, **options: object) -> None:
        self.rig: Rig = make_multipath(World(), mode=mode, **options)  # type: ignore[arg-type]
        self.world = self.rig.world
        self.hedger = Hedger(LIMIT_NS, percent, self.world.timers)
        self.hedger.follow(self.target)
        for number in range(64):
            self.rig.store.data[number * 8192] = number + 1
        paths = len(self.rig.paths)
        for _ in range(-(-credit * 100 // percent // paths) * paths):
            self.rig.client.read(0, 512)
            self.world.settle()
        self.world.pass_time(2 * LIMIT_NS)
        self.before = self.sent()

    @property
    def target(self) -> Multipath:
        (target,) = self.rig.device.live_targets()
        assert isinstance(target, Multipath)
        return target

    def answer(self, number: int, *answers: Answer) -> None:
        """What a path does next."""
        self.rig.paths[number].driver.script.extend(answers)

    def read(self, sector: int = 16, size: int = 512) -> Bio:
        bio = self.rig.client.read(sector, size)
        self.world.settle()
        return bio

    def go(self, milliseconds: float) -> None:
        self.world.pass_time(round(milliseconds * MS))

    def sent(self) -> list[int]:
        return [len(path.driver.sent) for path in self.rig.paths]

    def spread(self) -> list[int]:
        """What has gone to each path since."""
        return [now - was for now, was in zip(self.sent(), self.before, strict=True)]

    def counts(self) -> tuple[int, int, int]:
        return self.hedger.sent, self.hedger.won, self.hedger.refused

    def fail(self, number: int) -> None:
        self.target.fail(self.target.state.paths[number], "broken")

    def assert_at_rest(self) -> None:
        assert self.rig.at_rest()
        assert self.hedger.in_flight == 0
        assert [(path.in_flight, path.in_flight_bytes) for path in self.target.state.paths] == [(0, 0)] * len(
            self.rig.paths
        )

    def assert_read(self, bio: Bio, sector: int = 16) -> None:
        """It has succeeded, with what the disk has there."""
        assert bio.finished and bio.status == OK
        assert bio.data is not None and len(bio.data) == bio.size
        assert bytes(bio.data) == bytes(self.rig.store.data[sector * 512 : sector * 512 + bio.size])


def merged_reads(scene: Scene, count: int) -> list[Bio]:
    """So many reads of 4 KiB each from sector 16 on, which the first path has as one request."""
    others = scene.target.state.paths[1:]
    for path in others:
        scene.target.fail(path, "not now")
    bios = scene.rig.client.submit([Bio(READ, 16 + 8 * n, 4096, scene.rig.client) for n in range(count)])
    scene.world.settle()
    for path in others:
        scene.target.reinstate(path)
    assert scene.spread()[FIRST] == 1
    return bios


def late(status: int = OK, milliseconds: float = 100, **options) -> Answer:
    return Answer(status, delay_ns=round(milliseconds * MS), **options)
