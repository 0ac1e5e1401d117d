"""Fleet: all the servers of one test, upstreams and hawser, in one directory; `close` ends every one of them."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support import upstreams
from tests.support.black_hole import BlackHole
from tests.support.gateway import Gateway
from tests.support.nbd_client import NbdClient
from tests.support.processes import Process
from tests.support.programs import require_program
from tests.support.relay import Relay
from tests.support.upstreams import NBD_PORT, Upstream

MIB = 1 << 20
_SHIM_SOURCE = Path(__file__).with_name("slow_writes.c")


class Fleet:
    """`directory` has a short name, as unix sockets live in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._processes: list[Process] = []
        self._upstreams: list[Upstream] = []
        self._clients: list[NbdClient] = []
        self._relays: list[Relay] = []
        self._gateways = 0

    # Storage.

    def image(self, name: str = "disk", size: int = 64 * MIB, fill: bytes = b"") -> Path:
        """A file; `fill` is repeated through all of it, without that it is sparse."""
        path = self.directory / f"{name}.img"
        if fill:
            path.write_bytes((fill * (size // len(fill) + 1))[:size])
        else:
            with path.open("wb") as file:
                file.truncate(size)
        return path

    def nbdkit(
        self,
        name: str,
        *words: str | Path,
        filters: Sequence[str] = (),
        tcp: bool = False,
        environment: dict[str, str] | None = None,
    ) -> Upstream:
        return self.keep(
            upstreams.nbdkit(name, self.directory, *words, filters=filters, tcp=tcp, environment=environment)
        )

    def server(
        self, kind: str, name: str, image: Path, tcp: bool = False, environment: dict[str, str] | None = None
    ) -> Upstream:
        """A server over a file: kind is nbdkit, qemu-nbd or nbd-server."""
        if kind == "nbdkit":
            return self.nbdkit(name, "file", image, tcp=tcp, environment=environment)
        start = upstreams.qemu_nbd if kind == "qemu-nbd" else upstreams.nbd_server
        return self.keep(start(name, self.directory, image, tcp=tcp, environment=environment))

    def cached(
        self, kind: str, name: str, image: Path, block: str = "64k", environment: dict[str, str] | None = None
    ) -> Upstream:
        """The same with a write-back cache in front, which is lost when it is killed; what stands behind it lives on. The
        environment is that of the cache."""
        cache = ["cache=writeback", f"cache-min-block-size={block}"]
        if kind == "nbdkit":
            return self.nbdkit(name, "file", image, *cache, filters=["cache"], environment=environment)
        back = self.server(kind, f"{name}-back", image)
        words = [f"socket={back.address}", *([f"export={back.export}"] if back.export else [])]
        return self.nbdkit(name, "nbd", *words, *cache, filters=["cache"], environment=environment)

    def beyond(self, hole: BlackHole, name: str, image: Path) -> Upstream:
        """nbdkit over a file, in the namespace at the far end of a cable."""
        command = [*hole.prefix, "nbdkit", "-f", "-i", hole.address, "-p", str(NBD_PORT), "file", str(image)]
        return self.keep(Upstream(name, self.directory, command, (hole.address, NBD_PORT)))

    def keep(self, upstream: Upstream) -> Upstream:
        self._upstreams.append(upstream)
        return upstream

    def slow_writes(self, name: str) -> tuple[dict[str, str], Path]:
        """The environment of a server whose writes wait as long as the file says, in seconds; and that file, not there yet.

        With two offsets behind the seconds only writes that touch the bytes between them wait.
        """
        shim = self.directory / "slow_writes.so"
        if not shim.exists():
            compiler = require_program("gcc")
            subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", shim, _SHIM_SOURCE, "-ldl"], check=True)
        told = self.directory / f"{name}.slow"
        return {"LD_PRELOAD": str(shim), "SLOW_WRITES": str(told)}, told

    def slow_io(self, name: str) -> tuple[dict[str, str], Path]:
        """The same for reads and writes alike."""
        environment, told = self.slow_writes(name)
        return {**environment, "SLOW_READS": str(told)}, told

    def relay(self, upstream: Upstream) -> Relay:
        relay = Relay(upstream.address, upstream.export)
        self._relays.append(relay)
        return relay

    # hawser.

    def serve(self, paths: Sequence[str], *options: str, listen: str = "") -> Gateway:
        self._gateways += 1
        gateway = Gateway(f"hawser{self._gateways}", self.directory, paths, options, listen)
        self._processes.append(gateway)
        return gateway

    def serve_config(self, config: str) -> Gateway:
        """Several disks; `config` as of Gateway."""
        self._gateways += 1
        gateway = Gateway(f"hawser{self._gateways}", self.directory, [], (), config=config)
        self._processes.append(gateway)
        return gateway

    def client(self, gateway: Gateway) -> NbdClient:
        return gateway.client()

    def direct_client(self, upstream: Upstream) -> NbdClient:
        """Past hawser, straight to a storage server."""
        client = NbdClient(upstream.address, upstream.export)
        self._clients.append(client)
        return client

    def run(self, name: str, *command: str | Path) -> Process:
        """Some other program, beside the test."""
        process = Process(name, command, self.directory)
        self._processes.append(process)
        return process

    def close(self) -> None:
        for client in self._clients:
            client.close()
        for process in reversed(self._processes):
            process.stop()
        for relay in self._relays:
            relay.close()
        for upstream in reversed(self._upstreams):
            upstream.stop()
