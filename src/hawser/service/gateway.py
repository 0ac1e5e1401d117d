"""Gateway: one disk, its paths, its map, its clients, put together and taken apart again."""

import asyncio
from dataclasses import replace
from time import monotonic
from typing import Final

from hawser import plugins
from hawser.block.bio import Bio, BioOwner
from hawser.block.ops import FLUSH
from hawser.core.log import LogSink
from hawser.core.status import OK
from hawser.core.units import SECTOR_SHIFT
from hawser.dm import targets
from hawser.dm.control import Control
from hawser.dm.mapped_device import MappedDevice, TableListener
from hawser.dm.registry import DeviceRegistry
from hawser.dm.table import parse_lines
from hawser.dm.target import TableError
from hawser.exports.listen_uri import ListenError
from hawser.exports.server import Server
from hawser.exports.volume import Volume
from hawser.manager.identity import IdentityCheck
from hawser.manager.manager import Manager
from hawser.manager.probe import DOWN, MISMATCH, Probe, ProbeListener
from hawser.multipath import target as multipath_target
from hawser.multipath.disk import PathDevice, SharedDisk
from hawser.multipath.fitness import REMEDY, unseen_cache
from hawser.multipath.target import Multipath
from hawser.paths.file import FileDriver
from hawser.paths.nbd import NbdDriver
from hawser.service.fence_agent import CommandAgent
from hawser.service.loop import Loop
from hawser.service.options import OptionError, ServeOptions, build_table
from hawser.service.path_factory import PathFactory, RealPath
from hawser.service.patience import Compared
from hawser.service.start_error import StartError
from hawser.service.state_dir import StateDir
from hawser.service.witness_file import FILE_NAME as WITNESS_NAME

TARGET_MODULES: Final = (targets, multipath_target)
MAP_MAJOR: Final = 254
# Orderly end: so long for what is in flight to be answered, then it is failed, then clients are dropped. In all under 5 s.
DRAIN_SECONDS: Final = 2.0
FAIL_SECONDS: Final = 1.0
FLUSH_SECONDS: Final = 1.0
POLL_SECONDS: Final = 0.01


class _Probed(ProbeListener):
    def __init__(self) -> None:
        self.verdicts: dict[str, tuple[str, str]] = {}

    def probed(self, device: PathDevice, verdict: str, reason: str) -> None:
        self.verdicts[device.devt] = (verdict, reason)


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
    """Call `start`, then `stop`, within a running asyncio loop."""

    def __init__(self, options: ServeOptions, log: LogSink) -> None:
        plugins.offer()
        self.options = options
        self.log = log
        self.loop = Loop()
        self.registry: DeviceRegistry = DeviceRegistry(MAP_MAJOR)
        for text in options.parameters:
            self.registry.parameters.assign(text)
        self.control = Control(self.registry, log, self._new_device)
        self.disk = SharedDisk(options.name, log)
        self.disk.fences.enabled = not options.unsafe_no_fence
        self.disk.retain_bytes = options.retain_bytes
        self.server = Server(self.loop, self.loop.timers, log)
        self.paths: list[RealPath] = []
        # The paths that are not used at all, with the reason.
        self.left_out: dict[str, str] = {}
        self.devices: list[PathDevice] = []
        # The map, and what clients are given: that, or a device that stands on it.
        self.device: MappedDevice | None = None
        self.exported: MappedDevice | None = None
        self.target: Multipath | None = None
        self.manager: Manager | None = None
        self.agent = CommandAgent(options.fence_agent, self.loop, log) if options.fence_agent else None
        self.state = StateDir(options.state_dir, log) if options.state_dir else None
        # Whether paths, or their sizes, are being changed: one at a time.
        self.is_changing = False
        self.factory: PathFactory | None = None
        self._has_served = False

    async def start(self) -> None:
        """Open paths, load the table, listen. StartError when there is nothing to serve or nowhere to serve it."""
        options = self.options
        if self.state is not None:
            await self.state.open()
        factory = self.factory = PathFactory(
            self.loop,
            self.log,
            options.io_timeout_ns,
            options.read_only,
            seed=len(options.paths),
            agent=self.agent,
            state=self.state,
            block_size=options.block_size,
        )
        self.paths = await factory.open(options.paths)
        self.left_out.update(factory.left_out)
        if not self.paths:
            raise StartError("no path can be used")
        self.devices = factory.make_devices(self.paths, self.disk)
        for device in self.devices:
            self.registry.add(device, [device.uri])
            # Where bios of bio-based maps arrive; what request-based ones send passes it by.
            device.requests.set_scheduler(options.scheduler)
        if self.state is not None:
            await self._recover(self.state)
        problems = await self._compare()
        if self.state is not None and self.state.remember(self.disk):
            problems.update(await self._ask_witness(problems))
        self._load()
        for number, problem in problems.items():
            self._fail_at_start(number, problem)
        for path, device in zip(self.paths, self.devices, strict=True):
            if path.problem:
                self._fail_at_start(device.devt, path.problem)
        assert self.target is not None
        self.loop.run(self._look_after)
        if self.state is not None:
            self.state.may_change()
        self._listen()
        self._has_served = True

    async def _recover(self, state: StateDir) -> None:
        """What an earlier process left on its way is fenced, and what it left in caches is settled, before anything is read."""
        uris = [path.uri for path in self.paths]
        self.loop.run(lambda: state.recover(self.disk, self.devices[0].size_sectors, uris, self.loop))
        await state.settle_caches(self.devices, uris, self.loop)

    async def _compare(self) -> dict[str, str]:
        """Content, through each path that was reached. A path to another disk is an error that nothing mends: it is left out."""
        reached = [device for path, device in zip(self.paths, self.devices, strict=True) if not path.problem]
        compared = Compared()
        check = IdentityCheck(reached, compared)
        self.loop.run(check.start)
        deadline = monotonic() + self.options.io_timeout_ns / 1e9 + 1
        while compared.problems is None and monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
        # A path that may take longer than that is not trusted for it.
        self.loop.run(lambda: check.give_up("it was not read in time to be compared"))
        problems = compared.problems or {}
        if check.is_blank():
            self._distrust_sizes(problems)
        for device in list(self.devices):
            if "not the same disk" in problems.get(device.devt, ""):
                problem = problems.pop(device.devt)
                self.log.error(f"path {device.uri}: {problem}; it is left out")
                self.left_out[device.uri] = problem
                self._leave_out(device)
        self._settle_size()
        return problems

    async def _ask_witness(self, problems: dict[str, str]) -> dict[str, str]:
        """What was written last before a clean end, read back through each path. StartError when none has it: then the disk is an
        old copy, or another one, or somebody else has written it."""
        asked = [
            device for device in self.devices if not device.requests.driver.trouble() and device.devt not in problems
        ]
        probed = _Probed()

        def begin() -> None:
            for device in asked:
                Probe(device, probed, self.loop.timers, may_hold=False).start()

        self.loop.run(begin)
        deadline = monotonic() + self.options.io_timeout_ns / 1e9 + 1
        while len(probed.verdicts) < len(asked) and monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
        found: dict[str, str] = {}
        for device in asked:
            verdict, reason = probed.verdicts.get(device.devt, (DOWN, "it was not read in time to be compared"))
            if verdict == MISMATCH:
                device.requests.driver.mismatch = reason
            if verdict in (MISMATCH, DOWN):
                found[device.devt] = reason
        if asked and all(device.requests.driver.mismatch for device in asked):
            assert self.state is not None
            raise StartError(
                f"path {asked[0].uri}: {asked[0].requests.driver.mismatch}, before the last clean end; nor do they by any other "
                f"path. Remove {self.state.directory}/{WITNESS_NAME} when you know that the disk was changed since by right"
            )
        return found

    def _distrust_sizes(self, problems: dict[str, str]) -> None:
        """A disk that has grown on one path has its content to show for it; blank ones of several sizes are several disks."""
        first: RealPath | None = None
        for path, device in zip(self.paths, self.devices, strict=True):
            if path.facts is None:
                continue
            if first is None or first.facts is None:
                first = path
            elif path.facts.size_bytes != first.facts.size_bytes:
                problems[device.devt] = (
                    f"not the same disk as {first.uri.text}: its size is {path.facts.size_bytes} bytes, not "
                    f"{first.facts.size_bytes}, and all that was read of either is blank"
                )

    def _settle_size(self) -> None:
        """What is served is what every path has; larger ones have begun to grow."""
        block = self.devices[0].limits.logical_block_size
        sizes = [path.facts.size_bytes for path in self.paths if path.facts is not None]
        size = min(sizes) // block * block
        for path in self.paths:
            if path.facts is not None and path.facts.size_bytes // block * block > size:
                self.log.warning(
                    f"path {path.uri.text}: has {path.facts.size_bytes} bytes; all paths have {size}, which are served"
                )
        self.serve_size(size)

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

    def _leave_out(self, device: PathDevice) -> None:
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
        device = self._new_device(name, self.registry.free_number())
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

    def _new_device(self, name: str, devt: str) -> MappedDevice:
        return MappedDevice(name, devt, self.loop.turn, self.loop.clock, self.loop.timers, self.log)

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

    def _listen(self) -> None:
        assert self.exported is not None
        for uri in self.options.listen:
            self.server.exports.add(Volume(uri.export, self.exported))
        opened = 0
        for uri in self.options.listen:
            try:
                self.server.listen(uri)
                opened += 1
            except ListenError as error_found:
                self.log.error(str(error_found))
        if opened == 0:
            raise StartError("there is no address left to listen on")
        self.server.start()

    async def stop(self) -> None:
        """Answer or fail what is in flight, then let go of everything; under 5 s whatever the paths do."""
        self.loop.run(self.server.stop)
        await self._until_no_clients(DRAIN_SECONDS)
        if self.server.connections:
            self.log.warning("stopping: what is in flight is failed")
            self.loop.run(self._fail_everything)
            await self._until_no_clients(FAIL_SECONDS)
        elif self.state is not None and self._has_served:
            await self._hand_over(self.state)
        self.loop.run(self._let_go)
        if self.agent is not None:
            await self.agent.stop()

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
            self.log.info("what was written last could not be flushed: the next start does not know it")

    async def _until_no_clients(self, seconds: float) -> None:
        deadline = monotonic() + seconds
        while self.server.connections and monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)

    def _fail_everything(self) -> None:
        if self.target is not None:
            self.target.set_queue_if_no_path(False)
            for path in self.target.state.paths:
                path.failed_by_user = True
                self.target.fail(path, "the server stops")
        for real in self.paths:
            real.driver.shut_down()
        for device in self.registry.all_mapped():
            device.abandon()

    def _let_go(self) -> None:
        self.server.drop_all("the server stops")
        for path in self.paths:
            path.driver.shut_down()
            if isinstance(path.driver, FileDriver) and path.driver.trouble():
                self.log.warning(f"path {path.uri.text}: {path.driver.trouble()}: left behind, stuck in the kernel")
        if self.state is not None:
            self.state.close(is_idle=not any(path.driver.trouble() for path in self.paths if not path.uri.is_nbd()))
