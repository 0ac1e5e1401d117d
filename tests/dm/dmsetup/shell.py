"""A shell with `dmsetup` on one disk, 259:0, with a map `mp` over it."""

from collections.abc import Generator

from hawser.dm.condition import Condition
from hawser.dm.control import Control
from hawser.dm.dmsetup.call import Surroundings
from hawser.dm.dmsetup.program import Answer, dmsetup
from hawser.dm.mapped_device import MappedDevice
from hawser.lab.world import Store, World

TABLE = "0 2048 multipath 1 queue_if_no_path 0 1 1 round-robin 0 1 0 259:0"


class Clocked(Surroundings):
    def __init__(self, control: Control, world: World) -> None:
        super().__init__(control)
        self.world = world

    def now_ns(self) -> int:
        return self.world.clock.now_ns


class Shell:
    def __init__(self) -> None:
        self.world = World()
        self.world.ram_path("d0", Store(1 << 20))
        self.control = Control(self.world.registry, self.world.log, self._make)
        assert self.say("create", "mp", "--table", TABLE) == (0, "", "")
        device = self.world.registry.mapped("mp")
        assert device is not None
        self.device: MappedDevice = device

    def _make(self, name: str, devt: str) -> MappedDevice:
        world = self.world
        return MappedDevice(name, devt, world.turn, world.clock, world.timers, world.log)

    def begin(self, *argv: str, stdin: str = "") -> tuple[Generator[Condition, None, None], Answer]:
        answer = Answer()
        return dmsetup(self.control, self.surroundings(), list(argv), stdin, answer), answer

    def surroundings(self) -> Surroundings:
        return Clocked(self.control, self.world)

    def say(self, *argv: str) -> tuple[int, str, str]:
        """Run it to its end, with what the world has to do meanwhile."""
        run, answer = self.begin(*argv)
        for condition in run:
            self.world.settle()
            assert condition.ready(), f"{argv} does not end"
        return answer.rc, answer.stdout, answer.stderr
