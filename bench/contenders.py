"""Who is measured: the command lines, ours and the peers', and the URI at which fio finds each.

Peers run with stock command lines. Paths are filled in from `Places`; what is printed says `$DIR` for them.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

FILE_PATHS = 4
UPSTREAMS = 2
EXPORT = "disk"


@dataclass(frozen=True, slots=True)
class Places:
    """The temporary directory of a run and the names in it."""

    directory: Path

    @property
    def image(self) -> Path:
        return self.directory / "img"

    def socket(self, name: str) -> Path:
        return self.directory / f"{name}.sock"

    def upstream_socket(self, index: int) -> Path:
        return self.socket(f"up{index}")


@dataclass(frozen=True, slots=True)
class Contender:
    """One server in the race. `ours` is the numerator of ratios; `mode` is None for a peer that has none.

    An empty `command` stands for no server of its own: fio speaks to the first upstream.
    """

    name: str
    mode: str | None
    ours: bool
    command: tuple[str, ...]
    socket: Path
    uri: str
    says_ready: bool = False
    build: str = ""

    @property
    def label(self) -> str:
        return f"{self.name} {self.mode}" if self.mode else self.name

    def opposes(self, peer: Contender) -> bool:
        """Whether this one's measurement is divided by the peer's."""
        return self.ours and not peer.ours and peer.mode in (None, self.mode)

    def shown(self, places: Places) -> str:
        """The command line as it is printed."""
        if not self.command:
            return f"(fio straight to {self.uri})".replace(str(places.directory), "$DIR")
        program, *rest = self.command
        return shlex.join([Path(program).name, *rest]).replace(str(places.directory), "$DIR")


@dataclass(frozen=True, slots=True)
class Edition:
    """An installed hawser: its name in the tables, its program, which build it is, and its side in the race."""

    name: str
    program: tuple[str, ...]
    build: str
    ours: bool


def hawser_contender(edition: Edition, places: Places, group: str, mode: str) -> Contender:
    """hawser over four paths to one file, or over the two upstreams."""
    socket = places.socket(f"{'new' if edition.ours else 'old'}-{mode}")
    uri = f"nbd+unix:///{EXPORT}?socket={socket}"
    command = [*edition.program, "serve"]
    for path in file_paths(places) if group == "file" else upstream_paths(places):
        command += ["--path", path]
    command += ["--listen", uri, "--queue-mode", mode]
    return Contender(edition.name, mode, edition.ours, tuple(command), socket, uri, True, edition.build)


def file_paths(places: Places) -> list[str]:
    return [str(places.image)] * FILE_PATHS


def upstream_paths(places: Places) -> list[str]:
    sockets = (places.upstream_socket(index) for index in range(UPSTREAMS))
    return [f"nbd+unix:///?socket={socket}&cache=lun" for socket in sockets]


def nbdkit_file(name: str, places: Places, socket: Path) -> Contender:
    """nbdkit's file plugin: a peer of group `file`, and the upstreams of group `proxy`."""
    return _peer(name, socket, "nbdkit", "-f", "-U", str(socket), "file", str(places.image))


def file_peers(places: Places) -> list[Contender]:
    socket = places.socket("qemu")
    stock = ("qemu-nbd", "-t", "-e", "16", "--cache=writeback", "-f", "raw", "-k", str(socket))
    return [
        nbdkit_file("nbdkit", places, places.socket("nbdkit")),
        _peer("qemu-nbd", socket, *stock, str(places.image)),
    ]


def proxy_peers(places: Places) -> list[Contender]:
    """Both stock proxies stand before the first upstream; `direct` is that upstream without a proxy."""
    upstream, nbdkit, qemu = places.upstream_socket(0), places.socket("nbdkit"), places.socket("qemu")
    stock = ("qemu-nbd", "-t", "-e", "16", "-f", "raw", "-k", str(qemu))
    return [
        _peer("direct", upstream),
        _peer("nbdkit-nbd", nbdkit, "nbdkit", "-f", "-U", str(nbdkit), "nbd", f"socket={upstream}"),
        _peer("qemu-nbd", qemu, *stock, f"nbd+unix:///?socket={upstream}"),
    ]


def upstreams(places: Places) -> list[Contender]:
    return [nbdkit_file(f"up{i}", places, places.upstream_socket(i)) for i in range(UPSTREAMS)]


def peers_of(group: str, places: Places) -> list[Contender]:
    return file_peers(places) if group == "file" else proxy_peers(places)


def _peer(name: str, socket: Path, *command: str) -> Contender:
    return Contender(name, None, False, command, socket, f"nbd+unix:///?socket={socket}")
