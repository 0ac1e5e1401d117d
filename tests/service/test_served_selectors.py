"""`hawser serve --selector`: all five of Linux serve; `io-affinity` by the index of a client's connection."""

from pathlib import Path

import pytest
from tests.support.gateway import HAWSER, Gateway
from tests.support.processes import run

from hawser.core.units import KIB

pytestmark = pytest.mark.interop

PATHS = ["ram:?size=1M"] * 3


def reads(served: Gateway) -> list[int]:
    """How many each path has done."""
    return [row["rd_ios"] for row in served.stats() if row["device"] != "mpatha"]


def test_each_connection_has_a_path_of_its_own_and_they_count_round(socket_dir: Path):
    """L-8, served: five connections over three paths. The fourth is taken for the first, the fifth for the second."""
    served = Gateway(
        "g", socket_dir, PATHS, ["--selector", "io-affinity 0", "--queue-mode", "bio", "--keepalive", "off"]
    )
    try:
        clients = [served.client() for _ in range(5)]
        before = reads(served)
        for number, client in enumerate(clients):
            for place in range(10 * (number + 1)):
                client.read(place * 4 * KIB, 4 * KIB)
        assert [now - then for now, then in zip(reads(served), before, strict=True)] == [10 + 40, 20 + 50, 30]
        assert served.dm("table").endswith(" io-affinity 0 3 1 259:0 1 259:1 2 259:2 4 \n")
        assert served.dm("status").endswith(" A 0 3 1 259:0 A 0 0 259:1 A 0 0 259:2 A 0 0 \n")
        served.end()
    finally:
        served.stop()


def test_historical_service_time_learns_from_real_time(socket_dir: Path):
    served = Gateway("g", socket_dir, PATHS, ["--selector", "historical-service-time 1 512", "--keepalive", "off"])
    try:
        client = served.client()
        for place in range(64):
            client.write(place * 4 * KIB, bytes(4 * KIB))
        words = served.dm("status").split()
        assert words[11:16] == ["2", "512", "0", "3", "3"]
        for name in ("259:0", "259:1", "259:2"):
            _, _, _, _, outstanding, stale_after_ns = words[words.index(name) :][:6]
            assert outstanding == "0" and int(stale_after_ns) > 0
        served.end()
    finally:
        served.stop()


def test_one_that_is_unknown_is_named_with_those_that_there_are(socket_dir: Path):
    command = ["serve", "--path", PATHS[0], "--listen", f"nbd+unix:///d?socket={socket_dir}/s", "--selector", "dice 0"]
    done = run([*HAWSER, *command], check=False)
    assert done.returncode == 2
    assert "historical-service-time, io-affinity, queue-length, round-robin, service-time" in done.stderr
