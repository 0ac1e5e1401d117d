"""A map over paths whose commands take c + bytes / B (hawser.lab.model_driver), as hawser.lab.model.stack_rig has it."""

from hawser.dm.request_based import RequestMapper, RequestStack
from hawser.lab.model.stack_rig import BLOCK, StackRig
from hawser.lab.world import Rig

__all__ = ["BLOCK", "SEQUENCE", "SEQUENTIAL_BIOS", "ModelRig", "mapper"]

SEQUENTIAL_BIOS = 65_536
SEQUENCE = list(range(0, SEQUENTIAL_BIOS * 8, 8))

ModelRig = StackRig


def mapper(rig: StackRig | Rig) -> RequestMapper:
    device = rig.maps[0] if isinstance(rig, StackRig) else rig.device
    stack = device.stack()
    assert isinstance(stack, RequestStack)
    return stack.mapper
