"""A server that comes back as something else: found out, an event, left alone until an operator says so, and then looked at."""

import json
import time
from pathlib import Path

import pytest
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import HAWSER, Gateway
from tests.support.processes import run
from tests.support.upstreams import Upstream

pytestmark = [pytest.mark.interop, pytest.mark.needs("nbdkit")]

SIZE = 16 * MIB
# How long a path that is retried would be retried within: reconnects come every 2 s at least, checks every second.
QUIET_S = 3.0


def paths_command(gateway: Gateway, *words: str) -> str:
    done = run([*HAWSER, "paths", "--control", gateway.control, *words], check=False)
    return done.stdout + done.stderr


def check(gateway: Gateway, number: int) -> tuple[str, str]:
    """What the last check of a path has found, and why."""
    row = json.loads(paths_command(gateway, "--json"))["paths"][number]
    return row["check"], row["why"]


def events(gateway: Gateway) -> int:
    return int(gateway.dm("info", "-c", "--noheadings", "-o", "events", "mpatha"))


def come_back(server: Upstream, image: Path, *options: str) -> None:
    server.kill()
    # nbdkit -f -U SOCKET file IMAGE
    server.command = [word for word in server.command[:-1] if word != "-r"] + [image]
    server.command[1:1] = options
    server.start()


@pytest.mark.parametrize(
    ("kind", "mode"), [("old content", "rq"), ("old content", "bio"), ("smaller", "rq"), ("read-only", "bio")]
)
def test_another_disk_is_an_event_and_not_asked_again(fleet: Fleet, kind: str, mode: str):
    image, old = fleet.image("disk", SIZE), fleet.image("old", SIZE)
    small = fleet.image("small", SIZE // 2)
    one, two = (fleet.nbdkit(name, "file", image) for name in ("one", "two"))
    gateway = fleet.serve([server.uri(cache="lun") for server in (one, two)], "--queue-mode", mode)
    client = fleet.client(gateway)
    client.write(MIB, b"new!" * 1024)
    before = events(gateway)
    other, options, words = {
        "old content": (old, [], "sectors 2048..2055 do not hold what was last written there"),
        "smaller": (small, [], f"its size is {SIZE // 2} bytes, not {SIZE}"),
        "read-only": (image, ["-r"], "it is read-only"),
    }[kind]
    come_back(two, other, *options)
    gateway.wait_until(lambda: check(gateway, 1)[0] == "mismatch", "it is found to be another disk")
    assert check(gateway, 1)[1] == f"not the same disk: {words}"
    assert events(gateway) >= before + 2, "the path has failed, and leads elsewhere"
    assert "it is not used until a user has it looked at again" in gateway.log()
    assert f"{words}; when it is right again: hawser paths --recheck 259:1" in paths_command(gateway)
    # To say so does not make it so.
    assert paths_command(gateway, "--recheck", "259:1").endswith("is looked at\n")
    gateway.wait_until(lambda: check(gateway, 1)[0] == "mismatch", "it is found to be another disk again")
    assert gateway.states() == "AF"
    # Nor is it found out by itself when it is right again.
    come_back(two, image)
    time.sleep(QUIET_S)
    assert (gateway.states(), check(gateway, 1)[0]) == ("AF", "mismatch")
    assert client.read(MIB, 4096) == b"new!" * 1024
    gateway.dm("message", "mpatha", "0", "reinstate_path", "259:1")
    gateway.wait_for_states("AA")
    assert check(gateway, 1) == ("up", "")
    one.kill()
    assert client.read(MIB, 4096) == b"new!" * 1024
    gateway.assert_no_traceback()
