"""NBD paths against a scripted server, for the tests of their commands, sessions and caches."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.fake_nbd import Conversation, disk
from tests.support.nbd_bench import Make, NbdBench


@pytest.fixture
def make(free_socket_path: Callable[[str], Path]) -> Iterator[Make]:
    made: list[NbdBench] = []

    def factory(options: str = "cache=lun", tcp: bool = False, **export) -> NbdBench:
        bench = NbdBench(None if tcp else free_socket_path(f"s{len(made)}"), options, disk(**export))
        made.append(bench)
        return bench

    yield factory
    for bench in made:
        bench.close()


@pytest.fixture
def bench(make: Make) -> NbdBench:
    return make()


@pytest.fixture
def server(bench: NbdBench) -> Conversation:
    return bench.connect()
