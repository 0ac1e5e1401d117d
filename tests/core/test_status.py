"""Status codes: the kernel's table, and what another path may cure."""

import pytest

from hawser.core import status
from hawser.core.status import errno_of, is_path_error, status_name

TABLE = [
    (status.NOTSUPP, 95, False, "operation not supported"),
    (status.TIMEOUT, 110, True, "timeout"),
    (status.NOSPC, 28, False, "critical space allocation"),
    (status.TRANSPORT, 67, True, "recoverable transport"),
    (status.TARGET, 121, False, "critical target"),
    (status.RESV_CONFLICT, 52, False, "reservation conflict"),
    (status.MEDIUM, 61, False, "critical medium"),
    (status.PROTECTION, 84, False, "protection"),
    (status.RESOURCE, 12, True, "kernel resource"),
    (status.IOERR, 5, True, "I/O"),
    (status.DM_REQUEUE, 5, True, "dm internal retry"),
    (status.AGAIN, 11, True, "nonblocking retry"),
    (status.DEV_RESOURCE, 16, True, "device resource"),
    (status.OFFLINE, 19, True, "device offline"),
    (status.DURATION_LIMIT, 62, True, "command duration limit exceeded"),
    (status.INVAL, 22, True, "invalid"),
]


@pytest.mark.parametrize(("code", "errno", "path_error", "name"), TABLE)
def test_a_code(code: int, errno: int, path_error: bool, name: str):
    assert errno_of(code) == errno
    assert is_path_error(code) == path_error
    assert status_name(code) == name


def test_ok_and_the_unknown():
    assert errno_of(status.OK) == 0
    assert errno_of(250) == 5
    assert status_name(250) == "status 250"
