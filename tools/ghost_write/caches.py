"""The rows about caches: two servers with write-back caches of their own, nbdkit's cache filter, in front of each kind.

caches      written through one, switched to the other, newer data written and flushed there; then the first writes back
lost-cache  written through one, which is killed; then a flush, which must not promise what is lost
"""

from __future__ import annotations

import time

from tests.support.fleet import Fleet
from tests.support.nbd_client import NbdError
from tests.support.upstreams import content
from tools.ghost_write.judge import BEFORE, GHOST, NEWER
from tools.ghost_write.plan import CACHE_BLOCK, Variant
from tools.ghost_write.rig import DISK_BYTES, SECOND_TIMEOUT_S, serve
from tools.ghost_write.trial import Outcome, proof_in

FLUSH_LIED = "flush OK, data LOST"
FLUSH_FAILED = "flush fails: no promise"


def run(fleet: Fleet, variant: Variant, naive: bool, queue_mode: str) -> Outcome:
    image = fleet.image("disk", DISK_BYTES)
    start, size = variant.whole_range()
    # The cache works in blocks of its own.
    size = -(-size // CACHE_BLOCK) * CACHE_BLOCK
    with image.open("r+b") as file:
        file.seek(start)
        file.write(BEFORE * size)
    servers = [fleet.cached(variant.server, name, image) for name in ("first", "second")]
    words: dict[str, object] = {"cache": "lun"} if naive else {}
    gateway = serve(fleet, [server.uri(timeout=SECOND_TIMEOUT_S, **words) for server in servers], naive, queue_mode)
    client = gateway.client()
    client.write(start, b"W" * size)
    sent = time.monotonic()
    if variant.fault == "lost-cache":
        servers[0].kill()
        gateway.wait_for_states("FA")
        try:
            client.flush()
        except NbdError:
            return Outcome(FLUSH_FAILED, False, time.monotonic() - sent, proof=proof_in(gateway))
        lost = content(image, start, size) != b"W" * size
        return Outcome(FLUSH_LIED if lost else NEWER, lost, time.monotonic() - sent, proof=proof_in(gateway))
    gateway.dm("message", "mpatha", "0", "switch_group", "2")
    sent = time.monotonic()
    if variant.newer == "write":
        client.write(start, b"N" * size)
    else:
        client.zero(start, size)
    waited = time.monotonic() - sent
    client.flush()
    # Whatever makes a server write its cache back, sooner or later.
    fleet.direct_client(servers[0]).flush()
    final = content(image, start, size)
    right = b"N" * size if variant.newer == "write" else bytes(size)
    return Outcome(NEWER if final == right else GHOST, final != right, waited, proof=proof_in(gateway))
