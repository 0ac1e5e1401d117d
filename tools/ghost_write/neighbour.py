"""The row about read-modify-write: a server that works in blocks of 4096 bytes wipes the sector beside the one it was slow to
write, which was acknowledged through another server (`rmw-neighbour.py` of the hazards).

Here hawser refuses the half block to begin with, whatever its fences do; so the naive side is played by the tool itself: it
writes through the first server, gives up, writes through the second, and goes on there.
"""

from __future__ import annotations

import time

from tests.support.fleet import Fleet
from tests.support.nbd_client import NbdClient, NbdError
from tests.support.upstreams import Upstream, content
from tools.ghost_write.judge import BEFORE, NEWER
from tools.ghost_write.plan import BASE, Variant
from tools.ghost_write.rig import DISK_BYTES, IO_TIMEOUT_S, SLOW_S, serve
from tools.ghost_write.trial import Outcome

SECTOR = 512
WIPED = "neighbour WIPED"


def run(fleet: Fleet, variant: Variant, naive: bool, queue_mode: str) -> Outcome:
    image = fleet.image("disk", DISK_BYTES)
    with image.open("r+b") as file:
        file.seek(BASE)
        file.write(BEFORE * 4096)
    environment, slow = fleet.slow_writes("first")
    first = _in_blocks(fleet, variant.server, "first", environment)
    second = _in_blocks(fleet, variant.server, "second", None)
    if naive:
        old, new = fleet.direct_client(first), fleet.direct_client(second)
        slow.write_text(str(SLOW_S["after"]))
        command = old.send_write(BASE, b"W" * SECTOR)
        time.sleep(IO_TIMEOUT_S)
        new.write(BASE, b"W" * SECTOR)
        sent = time.monotonic()
        new.write(BASE + SECTOR, b"N" * SECTOR)
        waited = time.monotonic() - sent
        old.wait(command)
        wiped = content(image, BASE + SECTOR, SECTOR) != b"N" * SECTOR
        return Outcome(WIPED if wiped else NEWER, wiped, waited)
    client = serve(fleet, [first.uri(cache="lun"), second.uri(cache="lun")], naive, queue_mode).client()
    if all(_refused(client, offset) for offset in (BASE, BASE + SECTOR)):
        untouched = content(image, BASE, 4096) == BEFORE * 4096
        return Outcome("refused: blocks of 4096", not untouched, proof="no fence: never sent")
    return Outcome("half a block was taken", True)


def _refused(client: NbdClient, offset: int) -> bool:
    try:
        client.write(offset, b"N" * SECTOR)
    except NbdError:
        return True
    return False


def _in_blocks(fleet: Fleet, kind: str, name: str, environment: dict[str, str] | None) -> Upstream:
    image = str(fleet.directory / "disk.img")
    words = ["minblock=4096"]
    if kind == "nbdkit":
        return fleet.nbdkit(name, "file", image, *words, filters=["blocksize"], environment=environment)
    back = fleet.server(kind, f"{name}-back", fleet.directory / "disk.img", environment=environment)
    export = [f"export={back.export}"] if back.export else []
    return fleet.nbdkit(name, "nbd", f"socket={back.address}", *export, *words, filters=["blocksize"])
