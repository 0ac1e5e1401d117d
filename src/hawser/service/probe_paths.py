"""The `probe-paths` verb of the control socket: the active paths of the current group are probed (hawser.multipath.probe).

Linux 6.16: the ioctl DM_MPATH_PROBE_PATHS. A map that was loaded under the rules of 6.12 does not know it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from hawser.dm.dmsetup.call import STRERROR
from hawser.dm.parameters import LINUX_6_12, LINUX_6_16, SEMANTICS
from hawser.multipath.probe import GroupProbe, GroupProbeListener
from hawser.service.chosen import Chosen
from hawser.service.control_error import ControlVerbError

POLL_SECONDS: Final = 0.01
HOW: Final = f"`hawser parameters {SEMANTICS}={LINUX_6_16}`, then load the table again (hawser dm load, resume)"


class _Probed(GroupProbeListener):
    def __init__(self) -> None:
        self.is_over = False
        self.errno_name = ""

    def group_probed(self, errno_name: str) -> None:
        self.is_over = True
        self.errno_name = errno_name


async def probe_paths(chosen: Chosen, args: list[str], is_gone: Callable[[], bool]) -> AsyncIterator[str]:
    """`probe-paths`. ControlVerbError: ENOTTY under the rules of 6.12, EAGAIN while the map is suspended, ENOTCONN when no path
    is left."""
    if args:
        raise ControlVerbError("probe-paths takes nothing: it asks the paths of the group in use")
    gateway = chosen.one()
    target = gateway.target
    probe: GroupProbe | None = target.group_probe if target is not None else None
    if target is None or probe is None:
        raise ControlVerbError(
            f"{STRERROR['ENOTTY']}: the map's table was loaded under the rules of Linux {LINUX_6_12}: {HOW}"
        )
    if gateway.device is not None and gateway.device.is_suspended():
        raise ControlVerbError(f"{STRERROR['EAGAIN']}: the map is suspended")
    probed = _Probed()
    asked: GroupProbe = probe
    gateway.loop.run(lambda: asked.ask(probed))
    while not probed.is_over and not is_gone():
        await asyncio.sleep(POLL_SECONDS)
    if probed.errno_name:
        raise ControlVerbError(f"{STRERROR[probed.errno_name]}: no path is left")
    if target.state.current is None:
        yield "no group is in use\n"
        return
    for path in target.state.current.paths:
        yield f"{path.device.devt} {path.letter()} {path.fail_count}\n"
