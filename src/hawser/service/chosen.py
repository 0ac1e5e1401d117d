"""Chosen: the disks that a verb of the control socket is for: all, or the one whose map was named (`--map`).

Verbs that list say what there is of all. Those that change one disk have to be told which, where that is not clear by itself.
"""

from dataclasses import dataclass

from hawser.dm.mapped_device import MappedDevice
from hawser.service.common import Common
from hawser.service.control_error import ControlVerbError
from hawser.service.gateway import Gateway


@dataclass(frozen=True)
class Chosen:
    """`map_name` is empty where none was named; then `gateways` are all there are."""

    common: Common
    gateways: list[Gateway]
    map_name: str = ""

    def one(self) -> Gateway:
        """The disk, where there is one only. ControlVerbError names the maps that there are."""
        if len(self.gateways) > 1:
            raise ControlVerbError(f"there are several maps, {_names(self.gateways)}: say of which, --map NAME")
        return self.gateways[0]

    def with_path(self, name: str) -> Gateway:
        """The disk that has a path of that number, name or URI; or the only one, which says itself that there is no such path."""
        found = [gateway for gateway in self.gateways if gateway.find_path(name) is not None]
        if len(found) > 1:
            raise ControlVerbError(f"{name} is a path of {_names(found)}: say of which, --map NAME")
        if not found and len(self.gateways) > 1:
            raise ControlVerbError(f"{name!r} is no path of {_names(self.gateways)}; hawser paths shows all there are")
        return (found or self.gateways)[0]

    def maps(self) -> list[MappedDevice]:
        """Every mapped device, by name; or those that lead to the disk of the map that was named."""
        every = self.common.registry.all_mapped()
        return [device for device in every if not self.map_name or self.gateways[0].has(device)]

    def shows_several(self) -> bool:
        return len(self.gateways) > 1


def choose(common: Common, map_name: str) -> Chosen:
    """The disk of that map, by its name or number; all of them for an empty name. ControlVerbError when there is no such map."""
    if not map_name:
        return Chosen(common, common.gateways)
    for gateway in common.gateways:
        device = gateway.device
        if device is not None and map_name in (device.name, device.devt):
            return Chosen(common, [gateway], map_name)
    raise ControlVerbError(f"--map {map_name}: there is no such map; there are {_names(common.gateways)}")


def _names(gateways: list[Gateway]) -> str:
    return ", ".join(gateway.map_name() for gateway in gateways)
