"""Benches for the tests of this room: each is taken down, and has to be at rest then."""

from collections.abc import Callable, Iterator

import pytest
from tests.support.export_bench import ExportBench


@pytest.fixture
def make() -> Iterator[Callable[..., ExportBench]]:
    made: list[ExportBench] = []

    def factory(**options) -> ExportBench:
        made.append(ExportBench(**options))
        return made[-1]

    yield factory
    for bench in made:
        bench.close()
