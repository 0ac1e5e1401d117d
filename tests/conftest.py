"""Fixtures and rules that every test may use."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hawser.block.elevators.base import ELEVATORS
from hawser.lab.model import own
from hawser.multipath.selectors.base import SELECTORS
from tests.support import programs
from tests.support.fleet import Fleet


def pytest_runtest_setup(item: pytest.Item) -> None:
    """`@pytest.mark.needs("fio", "nbdkit")`: skip, or in CI fail, unless all of them are installed."""
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            programs.require_program(name)


@pytest.fixture(autouse=True)
def _forget_own() -> Iterator[None]:
    """Selectors and elevators of one's own are known to the whole process: what a test has taught is nobody else's business."""
    modules = set(own._MODULES)
    yield
    for known in (SELECTORS, ELEVATORS):
        for name in filter(own.is_own, list(known)):
            del known[name]
    for path in set(own._MODULES) - modules:
        del own._MODULES[path]


@pytest.fixture(scope="session")
def require_program() -> Callable[[str], str]:
    """`require_program("fio")` answers with the full path, or skips; in CI it fails."""
    return programs.require_program


@pytest.fixture
def socket_dir() -> Iterator[Path]:
    """A directory with a short name: a unix socket's path must fit in 107 bytes, `tmp_path` may not."""
    path = Path(tempfile.mkdtemp(prefix="hw-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def free_socket_path(socket_dir: Path) -> Callable[[str], Path]:
    """`free_socket_path("a")` answers with a short path at which no socket is yet."""

    def path_of(name: str = "s") -> Path:
        path = socket_dir / f"{name}.sock"
        assert len(str(path)) < 108, path
        assert not path.exists(), path
        return path

    return path_of


@pytest.fixture
def fleet(socket_dir: Path) -> Iterator[Fleet]:
    """Real servers in a directory of their own; all of them are ended with the test."""
    ships = Fleet(socket_dir)
    try:
        yield ships
    finally:
        ships.close()
