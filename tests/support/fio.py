"""fio's own nbd engine as the client that verifies what it reads."""

import json
from typing import Any

from tests.support.programs import require_program


def verify_command(uri: str, runtime_s: int, size: str = "128M") -> list[str]:
    """Random reads and writes, every block verified, while it runs and at the end; any error or difference ends it at once."""
    return [
        require_program("fio"),
        "--name=verify",
        "--ioengine=nbd",
        f"--uri={uri}",
        "--rw=randrw",
        "--bs=4k",
        "--iodepth=16",
        f"--size={size}",
        "--time_based",
        f"--runtime={runtime_s}",
        "--verify=crc32c",
        "--verify_fatal=1",
        "--verify_backlog=64",
        "--output-format=json",
    ]


def load_command(uri: str, runtime_s: int, rw: str = "randwrite", depth: int = 32) -> list[str]:
    """Plain load."""
    words = [
        "--name=load",
        "--ioengine=nbd",
        f"--uri={uri}",
        f"--rw={rw}",
        "--bs=4k",
        f"--iodepth={depth}",
        "--size=64M",
    ]
    return [require_program("fio"), *words, "--time_based", f"--runtime={runtime_s}", "--output-format=json"]


def report(output: str) -> dict[str, Any]:
    """The one job of a run, from what fio printed: greetings first, then JSON."""
    job: dict[str, Any] = json.loads(output[output.index("{") :])["jobs"][0]
    return job
