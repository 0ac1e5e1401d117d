"""Maps over maps: a multipath map whose paths are multipath maps, each with paths of its own, all of them to one store."""

from hawser.core.units import MIB, SECTOR_SHIFT
from hawser.dm.mapped_device import MappedDevice
from hawser.lab.world import Client, RamPath, Store, World

__all__ = ["MODES", "Stacked"]

# Of the map above and of those below it.
MODES = [("rq", "rq"), ("bio", "rq"), ("bio", "bio")]


class Stacked:
    """`lower[m]` has the paths `paths[m]`; `device` stands on all of `lower`. The first I/O takes the first path of the first."""

    def __init__(
        self,
        modes: tuple[str, str] = ("rq", "rq"),
        maps: int = 2,
        paths: int = 1,
        features: str = "",
        selector: str = "round-robin 0",
        depth: int = 64,
    ) -> None:
        self.world = World()
        self.store = Store(MIB)
        self.paths: list[list[RamPath]] = []
        self.lower: list[MappedDevice] = []
        above, below = modes
        for number in range(maps):
            made = [self.world.ram_path(f"p{number}{n}", self.store, depth) for n in range(paths)]
            self.paths.append(made)
            devices = [path.device.devt for path in made]
            self.lower.append(self.world.mapped(f"low{number}", _line(below, features, selector, devices)))
        devices = [device.devt for device in self.lower]
        self.device = self.world.mapped("top", _line(above, "", selector, devices))
        self.client = Client(self.device, self.world.disk)

    def drivers_idle(self) -> bool:
        return all(path.device.idle() and not path.driver.outstanding() for made in self.paths for path in made)

    def at_rest(self) -> bool:
        """Whether nothing is on its way, waiting or counted as such, above, below or on a path."""
        maps_idle = all(device.idle() for device in [self.device, *self.lower])
        return maps_idle and self.drivers_idle() and not self.world.turn.pending()


def _line(mode: str, features: str, selector: str, devices: list[str]) -> str:
    words = [*features.split(), "queue_mode", mode]
    line = f"0 {MIB >> SECTOR_SHIFT} multipath {len(words)} {' '.join(words)} 0 1 1"
    return f"{line} {selector} {len(devices)} 0 {' '.join(devices)}"
