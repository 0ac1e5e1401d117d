"""`hawser paths`: what it says of each path, and what it can be asked to do."""

import json
from typing import Any

import pytest
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import HAWSER, Gateway
from tests.support.processes import run

pytestmark = pytest.mark.interop


def paths(gateway: Gateway, *words: str) -> tuple[int, str]:
    done = run([*HAWSER, "paths", "--control", gateway.control, *words], check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_row_for_each_path(fleet: Fleet):
    image = fleet.image("disk", MIB)
    gateway = fleet.serve([f"file://{image}", "ram:?size=1M&weight=3", f"{fleet.directory}/nothing"])
    gateway.dm("message", "mpatha", "0", "fail_path", "259:1")
    text = paths(gateway)[1]
    head, first, second, blank, title, left_out = text.splitlines()
    assert head.split("  ")[0] == "map" and head.endswith("  why")
    assert first.split() == ["mpatha", "1", "259:0", "active", "up", "0", "0", "lun", str(image)]
    assert second.split() == ["mpatha", "1", "259:1", "failed", "failed", "by", "hand", "0", "0", "lun", "ram:"]
    assert first.index(str(image)) == second.index("ram:") == head.index("name"), "aligned"
    assert (blank, title) == ("", "left out:") and left_out.endswith("nothing: No such file or directory")
    told = json.loads(paths(gateway, "--json")[1])
    assert [row["check"] for row in told["paths"]] == ["up", "failed by hand"]
    assert told["fences"] == [] and told["left_out"][0]["name"].endswith("/nothing")
    assert gateway.states() == "AF", "the status text is the kernel's"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("259:0", "259:0 is in use: there is nothing to look at"),
        ("259:1", "259:1 was failed by hand: reinstate_path takes that back, and looks"),
        ("x", "'x' is no path; there are 259:0, 259:1"),
        ("mpatha", "'mpatha' is no path; there are 259:0, 259:1"),
    ],
)
def test_what_cannot_be_looked_at(fleet: Fleet, name: str, words: str):
    gateway = fleet.serve(["ram:?size=1M", "ram:?size=1M"])
    gateway.dm("message", "mpatha", "0", "fail_path", "259:1")
    assert paths(gateway, "--recheck", name) == (1, f"hawser paths: {words}\n")


@pytest.mark.needs("nbdkit")
def test_a_fence_is_listed_with_what_would_lift_it(fleet: Fleet):
    image = fleet.image("disk", MIB)
    servers = [fleet.nbdkit(name, "file", image) for name in ("one", "two")]
    gateway = fleet.serve([server.uri(cache="lun") for server in servers], "--io-timeout", "1")
    client = fleet.client(gateway)
    client.read(0, 4096)
    for server in servers:
        server.freeze()
    client.send_write(8192, bytes(4096))

    seen: list[dict[str, Any]] = []

    def fences() -> list[dict[str, Any]]:
        seen.append(json.loads(paths(gateway, "--json")[1]))
        return seen[-1]["fences"]

    gateway.wait_until(lambda: fences() != [], "a write without an answer is fenced")
    # The retry is on its way to the other server, which does not answer either: its fence comes a second later.
    for fence in seen[-1]["fences"]:
        assert "its answer" in fence["lifts"] and (fence["start"], fence["end"]) == (16, 24)
    fenced = [fence["path"] for fence in seen[-1]["fences"]]
    for row in seen[-1]["paths"]:
        assert (row["state"], row["fences"]) == (("failed", 1) if row["name"] in fenced else ("active", 0))
    text = paths(gateway)[1]
    assert "fences:\n  write of sectors 16..23 on nbd+unix:///?socket=" in text and ": until its answer" in text
    gateway.wait_until(lambda: "no late answer within 5 s" in gateway.log(), "the session is given up")
    fences()
    (row,) = [row for row in seen[-1]["paths"] if row["name"] == fenced[0]]
    assert (row["state"], row["check"]) == ("failed", "down") and row["why"]
    for server in servers:
        server.thaw()
    gateway.wait_until(lambda: fences() == [], "the answers have come")


@pytest.mark.needs("nbdkit")
def test_what_stands_below_the_paths_of_a_map_is_listed_and_can_be_looked_at(fleet: Fleet):
    """Nobody looks after such a server: what it refused would be refused for ever."""
    image, small = fleet.image("disk", MIB), fleet.image("small", MIB // 2)
    server = fleet.nbdkit("one", "file", image)
    below = ["--device", "below=0 2048 linear 259:0 0"]
    table = "0 2048 multipath 3 queue_if_no_path queue_mode bio 0 1 1 round-robin 0 1 1 254:0 1"
    gateway = fleet.serve([server.uri(cache="lun")], *below, "--table", table)
    text = paths(gateway)[1].splitlines()
    assert [line.split()[:4] for line in text[1:]] == [["mpatha", "1", "254:0", "active"], ["-", "0", "259:0", "-"]]
    server.kill()
    command = server.command
    server.command = [*command[:-1], small]
    server.start()
    gateway.wait_until(lambda: "mismatch" in paths(gateway)[1], "it is found to be another disk")
    server.kill()
    server.command = command
    server.start()
    assert paths(gateway, "--recheck", "259:0")[0] == 0
    gateway.wait_until(lambda: "mismatch" not in paths(gateway)[1], "it is found to be the right one")
