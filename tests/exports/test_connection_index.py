"""The index of a client's connection, which is the CPU of its I/O for `io-affinity`."""

from collections.abc import Callable

import pytest
from tests.support.export_bench import ExportBench

from hawser.exports.volume import Volume

Make = Callable[..., ExportBench]


@pytest.fixture
def bench(make: Make) -> ExportBench:
    return make()


def indices(bench: ExportBench) -> list[int]:
    return [connection.owner.cpu for connection in bench.server.connections]


def test_connections_are_numbered_as_they_open_the_disk(bench: ExportBench):
    for _ in range(4):
        bench.guest()
    assert indices(bench) == [0, 1, 2, 3]


def test_an_index_that_is_free_again_goes_to_the_next(bench: ExportBench):
    guests = [bench.guest() for _ in range(4)]
    guests[2].say_goodbye()
    guests[2].hang_up()
    guests[1].hang_up()
    assert indices(bench) == [0, 3]
    for _ in range(3):
        bench.guest()
    assert indices(bench) == [0, 3, 1, 2, 4]


def test_who_only_asks_around_takes_none(bench: ExportBench):
    bench.stranger()
    bench.guest()
    assert [connection.owner.cpu for connection in bench.server.connections if connection.volume is not None] == [0]


def test_each_disk_counts_for_itself(bench: ExportBench):
    bench.server.exports.add(Volume("e", bench.device))
    bench.guest()
    bench.guest()
    bench.stranger().negotiate("e")
    bench.stranger().negotiate("e")
    assert indices(bench) == [0, 1, 0, 1]
