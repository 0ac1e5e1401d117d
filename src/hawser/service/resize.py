"""The `resize` verb of the control socket: a disk that has grown by every path is served in its new size.

multipathd: `resize map`. What is served is the smallest size of all paths, and stays so until all of them have grown; then, and
only when asked:

- each path is asked how large it is now; a server on a connection of its own, as a session knows the size of when it was opened;
- sessions that are older than the growth are renewed, one path after the other: its I/O goes elsewhere, or waits, meanwhile;
- what the paths have in the new part is compared, which nobody can have written yet;
- the map's table is loaded in its new length. Connections that stand keep the size that they were told, new ones have the new.

A path that is smaller than what is served leads to another disk.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Final

from hawser.core.units import SECTOR_SHIFT
from hawser.dm.suspension import ControlError, ControlListener
from hawser.dm.table import parse_lines
from hawser.dm.target import TableError
from hawser.manager.identity import IdentityCheck
from hawser.manager.probe import UNTOLD
from hawser.multipath.disk import PathDevice
from hawser.paths.file import FileDriver
from hawser.paths.fileio import size_of
from hawser.paths.nbd import NbdDriver
from hawser.service.chosen import Chosen
from hawser.service.control_error import ControlVerbError
from hawser.service.gateway import Gateway
from hawser.service.nbd_client import ConnectError, ask_export
from hawser.service.path_factory import RealPath
from hawser.service.patience import Compared, until
from hawser.service.start_error import StartError

# So long a path may take to say how large it is, to end its I/O and open a session, and the map to exchange its table.
STEP_SECONDS: Final = 10.0


async def resize(chosen: Chosen, args: list[str], is_gone: Callable[[], bool]) -> AsyncIterator[str]:
    """`resize`: says what it does. ControlVerbError when something stands in the way; what was done stays done."""
    if args:
        raise ControlVerbError("resize takes nothing: the size is the smallest of all paths")
    gateway = chosen.one()
    if gateway.is_changing:
        raise ControlVerbError("resize: another one, or a change of the paths, is under way; wait for its end")
    if not gateway.devices:
        raise ControlVerbError(f"resize: {gateway.options.name} has no path that could tell its size: hawser path add")
    gateway.is_changing = True
    try:
        run = _Resize(gateway)
        size = await run.measure()
        if size == run.served:
            yield f"nothing to do: {run.smallest} has {size} bytes, which are served\n"
            return
        for path, device in run.pairs:
            if isinstance(path.driver, NbdDriver) and path.driver.session_bytes() < size:
                await run.renew(path.driver, device, size)
                yield f"{device.name}: its session is renewed\n"
        await run.compare(size)
        await run.load(size)
        yield f"{gateway.options.name}: {size} bytes, for new connections\n"
    finally:
        gateway.is_changing = False


class _Loaded(ControlListener):
    def __init__(self) -> None:
        self.is_over = False
        self.problem = ""

    def cancelled(self) -> None:
        self.is_over = True
        self.problem = "its suspend was given up"

    def resumed(self, error: TableError | None) -> None:
        self.is_over = True
        self.problem = str(error) if error is not None else ""


class _Resize:
    """One run. `served`: the size in bytes so far; `smallest`: the path that has no more than was measured."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.pairs: list[tuple[RealPath, PathDevice]] = list(zip(gateway.paths, gateway.devices, strict=True))
        self.served = gateway.devices[0].size_sectors << SECTOR_SHIFT
        self.smallest = ""

    async def measure(self) -> int:
        """How many bytes every path has now, in whole blocks."""
        sizes: list[int] = []
        for path, device in self.pairs:
            size = await self._size_of(path)
            block = device.limits.logical_block_size
            size = size // block * block
            if size < self.served:
                self._is_another(device, f"not the same disk: its size is {size} bytes, not {self.served}")
            if not sizes or size < min(sizes):
                self.smallest = device.name
            sizes.append(size)
        return min(sizes)

    async def _size_of(self, path: RealPath) -> int:
        driver = path.driver
        try:
            if isinstance(driver, FileDriver):
                return await asyncio.wait_for(asyncio.to_thread(size_of, driver.fd), STEP_SECONDS)
            if isinstance(driver, NbdDriver):
                uri = driver.uri
                if uri.socket:
                    return (await ask_export(socket.AF_UNIX, uri.socket, uri.export)).size_bytes
                family, _, _, _, address = (await asyncio.get_running_loop().getaddrinfo(uri.host, uri.port))[0]
                return (await ask_export(family, (str(address[0]), int(address[1])), uri.export)).size_bytes
        except (OSError, ConnectError, TimeoutError) as error:
            reason = str(error) or "no answer"
            raise ControlVerbError(
                f"{path.uri.text}: {reason}: whether the disk has grown by every path cannot be told"
            ) from None
        assert path.facts is not None
        return path.facts.size_bytes

    def _is_another(self, device: PathDevice, reason: str) -> None:
        manager = self.gateway.manager
        if manager is not None:
            self.gateway.loop.run(lambda: manager.mismatched(device, reason))
        raise ControlVerbError(f"{device.name}: {reason}")

    async def renew(self, driver: NbdDriver, device: PathDevice, size: int) -> None:
        """Have `driver` open a session that knows the new size. What is on its way ends first, and its cache is flushed."""
        gateway = self.gateway
        target, manager = gateway.target, gateway.manager
        assert target is not None and manager is not None
        paths = [path for path in target.state.over(device) if path.is_active]
        if (
            paths
            and not any(path.is_active and path.device is not device for path in target.state.paths)
            and not target.wants_to_queue()
        ):
            raise ControlVerbError(
                f"{device.name} is the only path in use, and without one I/O fails: see --queue-timeout"
            )

        def take_out() -> None:
            for path in paths:
                path.failed_by_user = True
                target.fail(path, "its session is renewed: the disk has grown")

        def put_back() -> None:
            for path in paths:
                path.failed_by_user = False
            manager.look_again(device)

        gateway.loop.run(take_out)
        try:
            what = f"{device.name}: its session was not renewed: what is on its way there"
            await until(
                lambda: not device.under_way() and device.left_behind is None, STEP_SECONDS, f"{what} has not ended"
            )
            gateway.loop.run(driver.renew)
            await until(
                lambda: driver.session_bytes() >= size, STEP_SECONDS, f"{device.name}: no new session of {size} bytes"
            )
        finally:
            gateway.loop.run(put_back)

        def is_back() -> bool:
            # What would tell it may be in the other path's cache by now; then it comes back with the next flush.
            return all(path.is_active for path in paths) or manager.verdicts.get(device.devt) == UNTOLD

        await until(is_back, STEP_SECONDS, f"{device.name}: not in use again")

    async def compare(self, size: int) -> None:
        """What is behind the end, through each path that is in use."""
        gateway = self.gateway
        target = gateway.target
        assert target is not None
        in_use = [device for _, device in self.pairs if target.state.uses(device)]
        compared = Compared()
        problems: dict[str, str] = {}

        def begin() -> None:
            for device in in_use:
                device.size_sectors = size >> SECTOR_SHIFT
            check = IdentityCheck(in_use, compared, self.served >> SECTOR_SHIFT)
            check.start()

        try:
            gateway.loop.run(begin)
            await until(
                lambda: compared.problems is not None, STEP_SECONDS, "the new part was not read in time to be compared"
            )
            problems = compared.problems or {}
        finally:
            for device in in_use:
                device.size_sectors = self.served >> SECTOR_SHIFT
        for device in in_use:
            if "not the same disk" in problems.get(device.devt, ""):
                self._is_another(device, problems[device.devt])
            elif device.devt in problems:
                raise ControlVerbError(f"{device.name}: {problems[device.devt]}")

    async def load(self, size: int) -> None:
        """The paths have that size from now on, and so has the map, if its table is one multipath line."""
        gateway = self.gateway
        device, target = gateway.device, gateway.target
        assert device is not None and target is not None
        loaded = _Loaded()
        if len(device.live_targets()) != 1 or device.live_targets()[0] is not target:
            raise ControlVerbError(
                f"the table of {device.name} is more than one multipath line: it has to be loaded by hand"
            )

        def swap() -> None:
            gateway.serve_size(size)
            line = f"0 {size >> SECTOR_SHIFT} multipath {target.status_table()}"
            device.load(parse_lines(line), gateway.registry)
            loaded.is_over = device.resume(loaded, noflush=True)

        try:
            gateway.loop.run(swap)
        except (TableError, ControlError, StartError) as error_found:
            raise ControlVerbError(f"{device.name}: {error_found}") from None
        await until(
            lambda: loaded.is_over, STEP_SECONDS, f"{device.name}: its I/O has not ended, so it has its old size still"
        )
        if loaded.problem:
            raise ControlVerbError(f"{device.name}: {loaded.problem}")
