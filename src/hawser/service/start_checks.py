"""What a disk has to pass before it is served: its paths show the same content, of the same size, and what was written last.

A path to another disk is an error that nothing mends: it is left out.
"""

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Final

from hawser.manager.identity import IdentityCheck
from hawser.manager.probe import DOWN, MISMATCH, Probe, ProbeListener
from hawser.multipath.disk import PathDevice
from hawser.service.path_factory import RealPath
from hawser.service.patience import Compared
from hawser.service.start_error import StartError
from hawser.service.state_dir import StateDir
from hawser.service.witness_file import FILE_NAME as WITNESS_NAME

if TYPE_CHECKING:
    from hawser.service.gateway import Gateway

POLL_SECONDS: Final = 0.01


class _Probed(ProbeListener):
    def __init__(self) -> None:
        self.verdicts: dict[str, tuple[str, str]] = {}

    def probed(self, device: PathDevice, verdict: str, reason: str) -> None:
        self.verdicts[device.devt] = (verdict, reason)


class StartChecks:
    """Of one gateway, whose paths were opened."""

    def __init__(self, gateway: "Gateway") -> None:
        self.gateway = gateway

    async def compare(self) -> dict[str, str]:
        """Content, through each path that was reached. A path to another disk is an error that nothing mends: it is left out."""
        gateway = self.gateway
        reached = [device for path, device in zip(gateway.paths, gateway.devices, strict=True) if not path.problem]
        compared = Compared()
        check = IdentityCheck(reached, compared)
        gateway.loop.run(check.start)
        deadline = monotonic() + gateway.options.io_timeout_ns / 1e9 + 1
        while compared.problems is None and monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
        # A path that may take longer than that is not trusted for it.
        gateway.loop.run(lambda: check.give_up("it was not read in time to be compared"))
        problems = compared.problems or {}
        if check.is_blank():
            self._distrust_sizes(problems)
        for device in list(gateway.devices):
            if "not the same disk" in problems.get(device.devt, ""):
                problem = problems.pop(device.devt)
                gateway.log.error(f"path {device.uri}: {problem}; it is left out")
                gateway.leave_out(device, problem)
        self._settle_size()
        return problems

    async def ask_witness(self, state: StateDir, problems: dict[str, str]) -> dict[str, str]:
        """What was written last before a clean end, read back through each path. StartError when none has it: then the disk is an
        old copy, or another one, or somebody else has written it."""
        gateway = self.gateway
        asked = [
            device for device in gateway.devices if not device.requests.driver.trouble() and device.devt not in problems
        ]
        probed = _Probed()

        def begin() -> None:
            for device in asked:
                Probe(device, probed, gateway.loop.timers, may_hold=False).start()

        gateway.loop.run(begin)
        deadline = monotonic() + gateway.options.io_timeout_ns / 1e9 + 1
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
            raise StartError(
                f"path {asked[0].uri}: {asked[0].requests.driver.mismatch}, before the last clean end; nor do they by any other "
                f"path. Remove {state.directory}/{WITNESS_NAME} when you know that the disk was changed since by right"
            )
        return found

    def _distrust_sizes(self, problems: dict[str, str]) -> None:
        """A disk that has grown on one path has its content to show for it; blank ones of several sizes are several disks."""
        gateway = self.gateway
        first: RealPath | None = None
        for path, device in zip(gateway.paths, gateway.devices, strict=True):
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
        gateway = self.gateway
        block = gateway.devices[0].limits.logical_block_size
        sizes = [path.facts.size_bytes for path in gateway.paths if path.facts is not None]
        size = min(sizes) // block * block
        for path in gateway.paths:
            if path.facts is not None and path.facts.size_bytes // block * block > size:
                gateway.log.warning(
                    f"path {path.uri.text}: has {path.facts.size_bytes} bytes; all paths have {size}, which are served"
                )
        gateway.serve_size(size)
