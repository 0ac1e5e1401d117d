"""Fixtures of tests that drive real programs."""

from collections.abc import Iterator

import pytest
from tests.support.black_hole import BlackHole


@pytest.fixture
def hole() -> Iterator[BlackHole]:
    """A network namespace behind a cable that can swallow everything; root only."""
    made = BlackHole()
    try:
        yield made
    finally:
        made.remove()
