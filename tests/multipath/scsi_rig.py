"""A map over the ports of a simulated SCSI array (hawser.lab.devices.scsi_array), in virtual time."""

from typing import Any

from hawser.block.request import NOT_SENT, Request
from hawser.core.clock import Timers
from hawser.core.status import OK
from hawser.core.turn import Turn
from hawser.core.units import MIB, NS_PER_S
from hawser.lab.devices.scsi_array import AluaArray, EmcArray, HpArray, RdacArray, ScsiPort
from hawser.lab.devices.scsi_front import FrontOwner, ScsiFront
from hawser.lab.world import Client, RamDriver, RamPath, Rig, Store, World
from hawser.scsi.device import ActivationOwner, ScsiWorld

ARRAYS = {"alua": AluaArray, "rdac": RdacArray, "emc": EmcArray, "hp_sw": HpArray}
SECTORS = MIB >> 9


class ScsiRamDriver(RamDriver):
    """A path that speaks SCSI: asks its handler, and hears what its port refuses."""

    def __init__(self, name: str, store: Store, turn: Turn, timers: Timers) -> None:
        super().__init__(name, store, turn, timers)
        self.front: ScsiFront | None = None

    def queue_rq(self, request: Request) -> int:
        front = self.front
        if front is not None:
            status = front.prepare()
            if status != OK:
                return status
            if not front.takes(request):
                return OK
        return super().queue_rq(request)


class FrontEar(FrontOwner):
    def __init__(self, driver: ScsiRamDriver) -> None:
        super().__init__()
        self.driver = driver

    def send_again(self, request: Request) -> None:
        status = self.driver.front.status_of(request)
        if status != OK:
            self.end_refused(request, status)
        elif self.driver.front.takes(request):
            RamDriver.queue_rq(self.driver, request)

    def end_refused(self, request: Request, status: int) -> None:
        request.finish(status, 0, NOT_SENT)
        self.driver.complete(request)


class Waiter(ActivationOwner):
    """Keeps what activations came to."""

    def __init__(self) -> None:
        super().__init__()
        self.results: list[int] = []

    def activated(self, result: int) -> None:
        self.results.append(result)


class ScsiRig:
    """`sides`: of each path's port; paths 2n and 2n + 1 are in group n unless `groups` says how many each has."""

    def __init__(self, kind: str = "alua", sides: tuple[int, ...] = (1, 1, 2, 2), **options) -> None:
        self.world = World()
        self.scsi = ScsiWorld()
        world = self.world
        self.array: Any = ARRAYS[kind](self.scsi, world.turn, world.timers, world.log, **options)
        self.store = Store(MIB)
        self.ports: list[ScsiPort] = []
        self.paths: list[RamPath] = []
        self.fronts: list[ScsiFront] = []
        for number, side in enumerate(sides):
            path = world.ram_path(f"p{number}", self.store, make_driver=ScsiRamDriver)
            port = self.array.add_port(side)
            driver = path.driver
            assert isinstance(driver, ScsiRamDriver)
            driver.front = ScsiFront(port, FrontEar(driver), 180 * NS_PER_S)
            self.fronts.append(driver.front)
            path.device.scsi = port
            self.ports.append(port)
            self.paths.append(path)

    def line(self, handler: str = "alua", features: str = "", mode: str = "rq", groups: tuple[int, ...] = ()) -> str:
        """The table."""
        groups = groups or (2,) * (len(self.paths) // 2)
        words = [*features.split(), "queue_mode", mode]
        told = handler.split()
        text = f"0 {SECTORS} multipath {len(words)} {' '.join(words)} {len(told)} {handler} {len(groups)} 1".replace(
            "  ", " "
        )
        first = 0
        for count in groups:
            text += f" round-robin 0 {count} 0" + "".join(f" 259:{n}" for n in range(first, first + count))
            first += count
        return text

    def map(self, *args, **options) -> Rig:
        device = self.world.mapped("mpatha", self.line(*args, **options))
        return Rig(self.world, self.store, self.paths, device, Client(device, self.world.disk))

    def states(self, *states: int) -> None:
        """Of the port groups, from 1, where there are some."""
        assert isinstance(self.array, AluaArray)
        for number, state in enumerate(states, 1):
            self.array.states[number] = state

    def sent(self) -> list[int]:
        """How many I/Os each path was given."""
        return [len(path.driver.sent) for path in self.paths]
