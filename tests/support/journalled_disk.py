"""A disk over several servers of one file, under a load that journals what it is told, and what has to be true in the end."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.fleet import Fleet
from tests.support.load import Load
from tests.support.upstreams import Upstream


class JournalledDisk:
    """`gateway` serves it with `options` over `paths`, which lead to `servers`; `load` are the words of a Load. When it is made,
    I/O goes on."""

    def __init__(
        self,
        fleet: Fleet,
        image: Path,
        servers: Sequence[Upstream],
        paths: Sequence[str],
        *options: str,
        **load: Any,
    ) -> None:
        self.image = image
        self.servers = list(servers)
        self.all_work = "A" * len(paths)
        self.gateway = fleet.serve(paths, *options)
        self.gateway.wait_for_paths(self.all_work)
        self.load = Load(self.gateway, **load).start()
        self.load.wait_for_progress()

    def wait_until_whole(self) -> None:
        """All paths are in use, and I/O goes on."""
        self.gateway.wait_for_states(self.all_work)
        self.load.wait_for_progress()

    def end(self, kill_servers: bool = False) -> None:
        """Every sector holds what it may, as clients read it and in the file below. With `kill_servers` whatever they did not
        write down is lost before."""
        self.load.stop()
        self.load.check()
        self.load.flush()
        if kill_servers:
            for server in self.servers:
                server.kill()
        self.load.check_below(self.image)
        self.gateway.assert_no_traceback()
