"""hawser over hawser: an outer one whose paths lead to exports of two inner ones, each of which has servers of its own, all over
one file. Each of them is killed under load, and started again with its state directory; the client journals what it is told.

The outer one reaches the inner ones over TCP, as an inner hawser is a proxy: its end proves nothing of what its servers are doing
still. All of them have `quiesce` declared, which is true of these servers: what they have taken in they do at once.
"""

import random
import time

import pytest
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import Gateway
from tests.support.load import Load
from tests.support.upstreams import own_address

pytestmark = [pytest.mark.interop, pytest.mark.needs("nbdkit", "qemu-nbd"), pytest.mark.timeout(240)]

QUIESCE_S = 0.5


class Tower:
    """Inner `a`, reached by two connections, and inner `b`, unless it is left out; two servers below each."""

    def __init__(self, fleet: Fleet, mode: str, names: str = "ab") -> None:
        self.fleet = fleet
        self.mode = mode
        self.image = fleet.image("disk", 8 * MIB)
        kinds = {"a1": "nbdkit", "a2": "qemu-nbd", "b1": "nbdkit", "b2": "nbdkit"}
        self.servers = {name: fleet.server(kind, name, self.image) for name, kind in kinds.items()}
        self.listens = {name: f"nbd://{own_address()}:10809/d" for name in names}
        self.inner = {name: self.start_inner(name) for name in names}
        self.outer_listen = f"nbd://{own_address()}:10809/d"
        self.outer = self.start_outer()

    def start_inner(self, name: str, states: str = "AA") -> Gateway:
        paths = [self.servers[f"{name}{number}"].uri(cache="lun", quiesce=QUIESCE_S) for number in (1, 2)]
        return self._start(name, paths, self.listens[name], states)

    def start_outer(self) -> Gateway:
        declared = f"cache=lun&quiesce={QUIESCE_S}"
        ways = [(name, number) for name, number in (("a", 1), ("a", 2), ("b", 1)) if name in self.listens]
        paths = [f"{self.listens[name]}?{declared}&weight={number}" for name, number in ways]
        return self._start("outer", paths, self.outer_listen, "A" * len(paths))

    def _start(self, name: str, paths: list[str], listen: str, states: str) -> Gateway:
        state = str(self.fleet.directory / f"{name}.state")
        options = ["--queue-mode", self.mode, "--state-dir", state, "--queue-timeout", "forever"]
        gateway = self.fleet.serve(paths, *options, "--double-failed-time", "off", listen=listen)
        gateway.wait_for_paths(states)
        return gateway

    def kill_inner(self, name: str, down_s: float) -> None:
        self.inner[name].kill()
        lost = "FFA" if name == "a" else "AAF"
        self.outer.wait_for_states(lost[: len(self.outer.paths())])
        time.sleep(down_s)
        self.inner[name] = self.start_inner(name)
        self.wait_for_all()

    def wait_for_all(self) -> None:
        for gateway in (*self.inner.values(), self.outer):
            gateway.wait_for_states("A" * len(gateway.paths()))

    def kill_outer(self, load: Load) -> None:
        load.is_cut()
        self.outer.kill()
        self.outer = self.start_outer()
        load.reconnect(self.outer)
        load.check()
        load.start()

    def end(self, load: Load) -> None:
        load.stop()
        load.check()
        load.flush()
        load.check_below(self.image)
        for gateway in (self.outer, *self.inner.values()):
            gateway.assert_no_traceback()
        assert self.outer.end() < 5


@pytest.mark.soak
@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_whichever_is_killed_nothing_acknowledged_is_lost(fleet: Fleet, mode):
    chance = random.Random(mode)
    tower = Tower(fleet, mode)
    load = Load(tower.outer, blocks=24, rate=400).start()
    load.wait_for_progress()
    for who in ["a", "b", "outer"] * 5:
        if who == "outer":
            tower.kill_outer(load)
        else:
            tower.kill_inner(who, chance.uniform(0, 0.5))
        load.wait_for_progress()
    tower.end(load)


@pytest.mark.soak
@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_servers_of_the_inner_one_may_die_meanwhile(fleet: Fleet, mode):
    """Nobody above is told; and what is killed at the same time above loses nothing.

    There is one inner one: with two that write one disk each would find that what it has written last is not there any more
    when it asks whether a path that comes back leads to the same disk (docs/guarantees.md: one gateway).
    """
    tower = Tower(fleet, mode, "a")
    load = Load(tower.outer, blocks=24, rate=400).start()
    for turn in range(8):
        load.wait_for_progress()
        server = tower.servers[f"a{turn % 2 + 1}"]
        server.kill()
        if turn % 4 == 1:
            tower.inner["a"].kill()
            tower.inner["a"] = tower.start_inner("a", "AF")
        elif turn % 4 == 2:
            tower.kill_outer(load)
        server.start()
        tower.wait_for_all()
    load.wait_for_progress()
    tower.end(load)
