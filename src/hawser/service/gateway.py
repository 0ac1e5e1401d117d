"""Gateway: one disk, its paths, its map, its clients, put together and taken apart again.

What it shares with other disks of the process is in hawser.service.common; hawser.service.gateways starts and stops several.
"""

import asyncio
from dataclasses import replace
from time import monotonic
from typing import Final

from hawser.block.bio import Bio, BioOwner
from hawser.block.ops import FLUSH
from hawser.core.log import LogSink
from hawser.core.status import OK
from hawser.core.units import SECTOR_SHIFT
from hawser.dm.disks import disks_below
from hawser.dm.mapped_device import MappedDevice, TableListener
from hawser.dm.registry import DeviceRegistry
from hawser.dm.table import parse_lines
from hawser.dm.target import TableError
from hawser.exports.listen_uri import ListenError
from hawser.exports.server import Server
from hawser.exports.volume import Volume
from hawser.manager.manager import Manager
from hawser.multipath.disk import PathDevice, SharedDisk
from hawser.multipath.fitness import REMEDY, unseen_cache
from hawser.multipath.target import Multipath
from hawser.paths.file import FileDriver
from hawser.paths.nbd import NbdDriver
from hawser.service.common import Common
from hawser.service.options import OptionError, ProcessOptions, ServeOptions, build_table
from hawser.service.path_factory import PathFactory, RealPath
from hawser.service.start_checks import StartChecks
from hawser.service.start_error import StartError
from hawser.service.state_dir import StateDir

# Orderly end: so long for what is in flight to be answered, then it is failed, then clients are dropped. In all under 5 s.
DRAIN_SECONDS: Final = 2.0
FAIL_SECONDS: Final = 1.0
FLUSH_SECONDS: Final = 1.0
POLL_SECONDS: Final = 0.01


class _LastFlush(BioOwner):
    """What clients have written becomes durable, so that the next process can rely on it."""

    def __init__(self) -> None:
        super().__init__()
        self.bio = Bio(FLUSH, 0, 0, self)

    def bio_done(self, bio: Bio) -> None:
        """Whoever waits looks at the bio."""


class _TableEar(TableListener):
    def __init__(self, gateway: "Gateway") -> None:
        self.gateway = gateway

    def table_swapped(self) -> None:
        self.gateway.follow_table()


class Gateway:
    """Call `start`, then `stop`, within a running asyncio loop. `common` is made if there is none."""

    def __init__(self, options: ServeOptions, log: LogSink, common: Common | None = None) -> None:
        self.options = options
        self.log = log
        self.common = common if common is not None else Common(ProcessOptions(), log)
        self.loop = self.common.loop
        self.registry: DeviceRegistry = self.common.registry
        self.disk = SharedDisk(options.name, log)
        self.disk.fences.enabled = not options.unsafe_no_fence
        self.disk.retain_bytes = options.retain_bytes
        self.server = Server(self.loop, self.loop.timers, log)
        self.common.gateways.append(self)
        # The URIs at which clients find it.
        self.ready: list[str] = []
        self.paths: list[RealPath] = []
        # The paths that are not used at all, with the reason.
        self.left_out: dict[str, str] = {}
        self.devices: list[PathDevice] = []
        # The map, and what clients are given: that, or a device that stands on it.
        self.device: MappedDevice | None = None
        self.exported: MappedDevice | None = None
        self.target: Multipath | None = None
        self.manager: Manager | None = None
        self.state = StateDir(options.state_dir, log) if options.state_dir else None
        # Whether paths, or their sizes, are being changed: one at a time.
        self.is_changing = False
        self.factory: PathFactory | None = None
        self._has_served = False
        # What is wrong with paths that were reached, by device number.
        self._problems: dict[str, str] = {}

    async def start(self) -> None:
        """Open paths, load the table, listen. StartError when there is nothing to serve or nowhere to serve it."""
        await self.open()
        self.make_devices()
        await self.settle()
        self.load()
        self.listen()
        self.let_in()

    async def open(self) -> None:
        """Reach the paths, and what an earlier process left."""
        options = self.options
        if self.state is not None:
            await self.state.open()
        factory = self.factory = PathFactory(
            self.loop,
            self.log,
            options.io_timeout_ns,
            options.read_only,
            # (Another one for each disk: they would all try again at the same moments.)
            len(options.paths) + self.common.gateways.index(self),
            self.common.numbers,
            self.common.agent,
            state=self.state,
            block_size=options.block_size,
        )
        self.paths = await factory.open(options.paths)
        self.left_out.update(factory.left_out)
        if not self.paths:
            raise StartError("no path can be used")

    def make_devices(self) -> None:
        """A device for each path, with its number."""
        factory = self.factory
        assert factory is not None
        self.devices = factory.make_devices(self.paths, self.disk)
        for device in self.devices:
            self.registry.add(device, [device.uri])
            # Where bios of bio-based maps arrive; what request-based ones send passes it by.
            device.requests.set_scheduler(self.options.scheduler)

    async def settle(self) -> None:
        """What is found is one disk, the one that was served before, and nothing of an earlier process is left in its caches."""
        if self.state is not None:
            await self._recover(self.state)
        checks = StartChecks(self)
        self._problems = await checks.compare()
        if self.state is not None and self.state.remember(self.disk):
            self._problems.update(await checks.ask_witness(self.state, self._problems))

    def load(self) -> None:
        """The map, and the devices below and above it."""
        self._load()
        for number, problem in self._problems.items():
            self._fail_at_start(number, problem)
        for path, device in zip(self.paths, self.devices, strict=True):
            if path.problem:
                self._fail_at_start(device.devt, path.problem)
        assert self.target is not None
        self.loop.run(self._look_after)

    def let_in(self) -> None:
        """Clients may come: what was written before is not what counts any more."""
        if self.state is not None:
            self.state.may_change()
        self.server.start()
        self._has_served = True

    async def _recover(self, state: StateDir) -> None:
        """What an earlier process left on its way is fenced, and what it left in caches is settled, before anything is read."""
        uris = [path.uri for path in self.paths]
        self.loop.run(lambda: state.recover(self.disk, self.devices[0].size_sectors, uris, self.loop))
        await state.settle_caches(self.devices, uris, self.loop)

    def serve_size(self, size_bytes: int) -> None:
        """So much of the disk is there by every path, and may be mapped. StartError when that cannot be recorded."""
        for device in self.devices:
            device.size_sectors = size_bytes >> SECTOR_SHIFT
        for path in self.paths:
            if isinstance(path.driver, NbdDriver):
                path.driver.serve(size_bytes)
        if self.state is not None:
            self.state.resize(size_bytes >> SECTOR_SHIFT)

    def served_bytes(self) -> int:
        """How much of the disk is served."""
        assert self.device is not None
        return self.device.size_sectors << SECTOR_SHIFT

    def add_path(self, path: RealPath) -> PathDevice:
        """A device for a path that was not there at the start, in no table yet."""
        assert self.factory is not None
        device = self.factory.make_device(path, self.disk, self.served_bytes(), self.devices)
        self.paths.append(path)
        self.devices.append(device)
        self.registry.add(device, [device.uri])
        device.requests.set_scheduler(self.options.scheduler)
        if isinstance(path.driver, NbdDriver):
            path.driver.serve(self.served_bytes())
        return device

    def remove_path(self, path: RealPath, device: PathDevice) -> None:
        """Forget a path that is in no table."""
        self.paths.remove(path)
        self.devices.remove(device)
        self.disk.paths.remove(device)
        self.registry.remove(device)
        if self.manager is not None:
            self.manager.forget(device)

    def leave_out(self, device: PathDevice, problem: str) -> None:
        """Not to use a path at all, for that reason."""
        self.left_out[device.uri] = problem
        path = self.paths[self.devices.index(device)]
        path.driver.shut_down()
        self.remove_path(path, device)

    def _load(self) -> None:
        options = self.options
        for name, below in options.below():
            self._make_device(name, below)
        table = options.table
        try:
            if not table:
                used = replace(options, paths=[path.uri for path in self.paths])
                table = build_table(used, [made.devt for made in self.devices], self.devices[0].size_sectors)
        except OptionError as error_found:
            raise StartError(str(error_found)) from None
        device = self._make_device(options.name, table)
        self.device = device
        self.exported = device
        for name, above in options.above():
            self.exported = self._make_device(name, above)
        if options.export:
            self.exported = self.registry.mapped(options.export)
        self.follow_table()
        device.table_listeners.append(_TableEar(self))
        if self.target is None:
            raise StartError(f"table {table!r}: there is no multipath target in it")
        exported = self.exported
        assert exported is not None
        hidden = unseen_cache(exported)
        if hidden is not None:
            raise StartError(
                f"--export {exported.name}: leads past the multipath map to {hidden.name}, which has a cache of its own "
                f"(cache=path): nobody would know what is in it; {REMEDY}"
            )
        self.disk.name = options.name

    def _make_device(self, name: str, table: str) -> MappedDevice:
        """A mapped device with this table, live. StartError when it is refused."""
        device = self.common.new_device(name, self.registry.free_number())
        # Clients and the manager have it: nobody may take it away.
        device.in_service = True
        try:
            device.load(parse_lines(table), self.registry)
            if device.queue is not None:
                device.queue.set_scheduler(self.options.scheduler)
            device.resume()
        except TableError as error_found:
            raise StartError(f"{name}: table {table!r}: {error_found}") from None
        self.registry.add(device)
        return device

    def follow_table(self) -> None:
        """The target is the one of the live table."""
        assert self.device is not None
        self.target = None
        for target in self.device.live_targets():
            if isinstance(target, Multipath):
                self.target = target

    def _fail_at_start(self, number: str, problem: str) -> None:
        assert self.target is not None
        for path in self.target.find_paths(number):
            self.target.fail(path, problem)

    def _look_after(self) -> None:
        assert self.target is not None
        assert self.device is not None
        self.manager = Manager(self.target, self.options.policy, self.loop.timers, self.log)
        self.manager.follow(self.device)

    def listen(self) -> None:
        """Have the addresses; nobody is let in yet."""
        assert self.exported is not None
        volumes = [Volume(uri.export, self.exported, self.server) for uri in self.options.listen]
        for volume in volumes:
            self.server.exports.add(volume)
        addresses = self.common.addresses
        for uri, volume in zip(self.options.listen, volumes, strict=True):
            try:
                if addresses is None:
                    self.ready.append(self.server.listen(uri).shown)
                else:
                    self.ready.append(addresses.listen(self.server, uri, volume))
            except ListenError as error_found:
                self.log.error(str(error_found))
        if not self.ready:
            raise StartError("there is no address left to listen on")

    # What belongs to it.

    def map_name(self) -> str:
        """What the map is called now."""
        return self.device.name if self.device is not None else self.options.name

    def has(self, device: MappedDevice) -> bool:
        """Whether a mapped device is the map, or leads to the disk."""
        return device is self.device or self.disk in disks_below(device)

    def find_path(self, name: str) -> PathDevice | None:
        """The path of that number, name or URI."""
        for device in self.devices:
            if name in (device.devt, device.name):
                return device
        return next((device for device in self.devices if device.uri == name), None)

    # The end.

    async def stop(self) -> None:
        """Answer or fail what is in flight, then let go of everything; under 5 s whatever the paths do."""
        self.loop.run(self.server.stop)
        await self._until_no_clients(DRAIN_SECONDS)
        if self.has_clients():
            self.log.warning(f"{self.common.label(self.options.name)}stopping: what is in flight is failed")
            self.loop.run(self._fail_everything)
            await self._until_no_clients(FAIL_SECONDS)
        elif self.state is not None and self._has_served:
            await self._hand_over(self.state)
        self.loop.run(self._let_go)

    async def _hand_over(self, state: StateDir) -> None:
        """What was written last, for the next process; not without a flush, as a server may lose what it has not written back."""
        device = self.device
        assert device is not None
        flush = _LastFlush()
        flush.open_disk(self.disk)
        self.loop.run(lambda: device.submit_alone(flush.bio))
        deadline = monotonic() + FLUSH_SECONDS
        while not flush.bio.finished and monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
        if flush.bio.finished and flush.bio.status == OK:
            state.hand_over(self.disk, self.devices[0].size_sectors)
        else:
            label = self.common.label(self.options.name)
            self.log.info(f"{label}what was written last could not be flushed: the next start does not know it")

    async def _until_no_clients(self, seconds: float) -> None:
        deadline = monotonic() + seconds
        while self.has_clients() and monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)

    def has_clients(self) -> bool:
        """Whether somebody has a device open that leads to this disk, be it by another disk's export."""
        if self.server.connections:
            return True
        others = [connection for other in self.common.gateways for connection in other.server.connections]
        return any(each.volume is not None and self.has(each.volume.device) for each in others)

    def _fail_everything(self) -> None:
        if self.target is not None:
            self.target.set_queue_if_no_path(False)
            for path in self.target.state.paths:
                path.failed_by_user = True
                self.target.fail(path, "the server stops")
        for real in self.paths:
            real.driver.shut_down()
        for device in self.registry.all_mapped():
            if self.has(device) or not disks_below(device):
                device.abandon()

    def _let_go(self) -> None:
        self.server.drop_all("the server stops")
        for path in self.paths:
            # That it goes is no failure: nobody has to hear of it.
            path.driver.listener = None
            path.driver.shut_down()
            if isinstance(path.driver, FileDriver) and path.driver.trouble():
                self.log.warning(f"path {path.uri.text}: {path.driver.trouble()}: left behind, stuck in the kernel")
        if self.state is not None:
            self.state.close(is_idle=not any(path.driver.trouble() for path in self.paths if not path.uri.is_nbd()))
