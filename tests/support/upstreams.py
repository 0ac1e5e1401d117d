"""The storage servers of others that stand below hawser in tests: nbdkit, qemu-nbd, nbd-server. Each can be killed
and started again."""

import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.support.processes import Process, wait_for
from tests.support.programs import require_program

NBD_PORT = 10809
_addresses = 0


def own_address() -> str:
    """A loopback address that no other test process uses, so that port numbers need not be fought for."""
    global _addresses
    _addresses += 1
    pid = os.getpid()
    return f"127.{64 + (pid >> 8 & 63)}.{pid & 255}.{_addresses % 254 + 1}"


def accepts(address: str | tuple[str, int]) -> bool:
    """Whether somebody listens there."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(address)
        except OSError:
            return False
    return True


class Upstream:
    """One storage server. `command` and `environment` start it, again and again; `address` is a socket's name, or
    host and port."""

    def __init__(
        self,
        name: str,
        directory: Path,
        command: Sequence[str | Path],
        address: str | tuple[str, int],
        export: str = "",
        environment: dict[str, str] | None = None,
    ) -> None:
        self.name = name
        self.directory = directory
        self.command = command
        self.address = address
        self.export = export
        self.environment = environment
        self.process: Process | None = None
        self.start()

    def uri(self, **attributes: object) -> str:
        """The path URI, with the attributes given."""
        words = [f"{name}={value}" for name, value in attributes.items()]
        if isinstance(self.address, str):
            return f"nbd+unix:///{self.export}?" + "&".join([f"socket={self.address}", *words])
        return f"nbd://{self.address[0]}:{self.address[1]}/{self.export}" + ("?" + "&".join(words) if words else "")

    def start(self) -> None:
        if isinstance(self.address, str):
            # A killed server leaves the file behind, and would not start over it.
            Path(self.address).unlink(missing_ok=True)
        self.process = Process(self.name, self.command, self.directory, self.environment)
        try:
            self.process.wait_until(lambda: accepts(self.address), "accepts connections")
        except BaseException:
            self.process.kill()
            raise

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL, as the out-of-memory killer would."""
        assert self.process is not None
        self.process.kill()

    def restart(self) -> None:
        self.kill()
        self.start()

    def freeze(self) -> None:
        assert self.process is not None
        stop_group(self.process.pid)

    def thaw(self) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGCONT)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()


class NbdServer(Upstream):
    """nbd-server serves more than one client only as a daemon: it is known by its pid file, and killed with its children."""

    def start(self) -> None:
        self._pid_file = self.directory / f"{self.name}.pid"
        self._pid_file.unlink(missing_ok=True)
        if isinstance(self.address, str):
            Path(self.address).unlink(missing_ok=True)
        launcher = Process(self.name, self.command, self.directory, self.environment)
        status = launcher.wait()
        assert status == 0, f"{self.name} ended with {status}: {launcher.log()}"
        wait_for(lambda: self._pid_file.exists() and self._pid_file.read_text().strip(), f"{self.name} wrote its pid")
        self._pid = int(self._pid_file.read_text())
        wait_for(lambda: accepts(self.address), f"{self.name} accepts connections")

    @property
    def pid(self) -> int:
        return self._pid

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        wait_for(lambda: not is_alive(self._pid), f"{self.name} is gone")

    def freeze(self) -> None:
        stop_group(self._pid)

    def thaw(self) -> None:
        os.killpg(self._pid, signal.SIGCONT)

    def stop(self) -> None:
        self.kill()


def stop_group(leader: int) -> None:
    """Until it has: a thread on another processor may answer a request that comes after the signal."""
    os.killpg(leader, signal.SIGSTOP)
    wait_for(lambda: _states(leader) <= {"T", "Z"}, f"process {leader} stands still")


def _states(pid: int) -> set[str]:
    """Of a process's threads."""
    stats = [file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/stat")]
    return {stat.rpartition(")")[2].split()[0] for stat in stats}


def is_alive(pid: int) -> bool:
    """Whether there is such a process, other than as a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def nbdkit(
    name: str,
    directory: Path,
    *words: str | Path,
    filters: Sequence[str] = (),
    tcp: bool = False,
    environment: dict[str, str] | None = None,
) -> Upstream:
    """`words`: plugin and its parameters."""
    address: str | tuple[str, int]
    if tcp:
        address = (own_address(), NBD_PORT)
        where = ["-i", address[0], "-p", str(NBD_PORT)]
    else:
        address = str(directory / f"{name}.sock")
        where = ["-U", address]
    command = [require_program("nbdkit"), "-f", *where, *(f"--filter={word}" for word in filters), *words]
    return Upstream(name, directory, command, address, environment=environment)


def qemu_nbd(
    name: str, directory: Path, image: Path, *, tcp: bool = False, environment: dict[str, str] | None = None
) -> Upstream:
    """Locking is off: several servers share one file here."""
    address: str | tuple[str, int]
    if tcp:
        address = (own_address(), NBD_PORT)
        where = ["-b", address[0], "-p", str(NBD_PORT)]
    else:
        address = str(directory / f"{name}.sock")
        where = ["-k", address]
    below = "host_device" if image.is_block_device() else "file"
    options = f"driver=raw,discard=unmap,file.driver={below},file.filename={image},file.locking=off"
    command = [require_program("qemu-nbd"), *where, "-t", "-e", "8", "--image-opts", options]
    return Upstream(name, directory, command, address, environment=environment)


def nbd_server(
    name: str, directory: Path, image: Path, *, tcp: bool = False, environment: dict[str, str] | None = None
) -> Upstream:
    """It serves its one export under the name `e`, and forks for each client."""
    address: str | tuple[str, int]
    if tcp:
        address = (own_address(), NBD_PORT)
        where = f"listenaddr = {address[0]}\nport = {NBD_PORT}\n"
    else:
        address = str(directory / f"{name}.sock")
        # Without an address of its own it would take every one of the host's, beside the socket.
        where = f"unixsock = {address}\nlistenaddr = {own_address()}\n"
    config = directory / f"{name}.conf"
    config.write_text(f"[generic]\n{where}allowlist = true\n[e]\nexportname = {image}\nflush = true\ntrim = true\n")
    command: list[str | Path] = [require_program("nbd-server"), "-C", config, "-p", directory / f"{name}.pid"]
    return NbdServer(name, directory, command, address, export="e", environment=environment)


def wait_for_content(image: Path, offset: int, expected: bytes, what: str) -> None:
    """Until a file holds `expected` there."""
    wait_for(lambda: content(image, offset, len(expected)) == expected, what)


def content(image: Path, offset: int, size: int) -> bytes:
    with image.open("rb") as file:
        file.seek(offset)
        return file.read(size)
