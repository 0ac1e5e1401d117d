"""fio's own nbd engine as the client that verifies what it reads."""

import json
from pathlib import Path
from typing import Any

from tests.support.programs import require_program

# Where the jobs of `mixed_jobs` write: all of it lies within so many bytes.
MIXED_BYTES = 16 << 20
_KEPT_IOS = 512

# What has been acknowledged is read back from elsewhere when all is over: so it is written once, at leisure.
_KEPT = f"""
[kept]
rw=randwrite
bs=4k
offset=13M
size={4 * _KEPT_IOS}k
"""
_MIXED = """
[random]
rw=randrw
bs=4k
iodepth=16
size=8M
verify_backlog=64
{timed}

[sequential]
rw=write
bsrange=4k-64k
offset=8M
size=4M
iodepth=4
verify_backlog=32
{timed}
{fsync}

[small]
rw=randwrite
bs={block}
offset=12M
size=1M
iodepth=2
verify_backlog=16
{timed}
{fsync}
"""


# The workload of mptest, and what lies beside it on the same disk: the job `kept`, and, below all of it, room for others.
MPTEST_BYTES = 80 << 20
MPTEST_FREE_BYTES = 13 << 20
_MPTEST = """
[mptest]
rw=randwrite
bs=512k
iodepth=2
direct=1
offset=16M
size=64M
verify=meta
verify_interval=4k
verify_backlog=32
time_based=1
"""


def verify_command(uri: str, runtime_s: int, size: str = "128M", rate_iops: int = 0) -> list[str]:
    """Random reads and writes, every block verified, while it runs and at the end; any error or difference ends it at once.
    `rate_iops`: so many reads and so many writes a second at most."""
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
        "--verify_state_save=0",
        *([f"--rate_iops={rate_iops},{rate_iops}"] if rate_iops else []),
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


def paced_command(uri: str) -> list[str]:
    """Reads, writes and flushes at a rate that anything can bear, so that all of them can be looked at one by one; until it is
    killed."""
    words = [
        "--name=paced",
        "--ioengine=nbd",
        f"--uri={uri}",
        "--rw=randrw",
        "--bsrange=4k-32k",
        "--iodepth=8",
        "--size=8M",
        "--norandommap",
        "--rate_iops=600,600",
        "--fsync=50",
    ]
    return [require_program("fio"), *words, "--time_based", "--runtime=60", "--output-format=json"]


def mixed_command(directory: Path, uri: str, runtime_s: int, block: int, fsync: bool = True) -> list[str]:
    """Four jobs at once, each with a connection and an area of its own: small and large blocks, random and sequential, shallow
    and deep. Every block is verified but those of `kept`, which `kept_command` will look for. `block` is the smallest."""
    timed = f"time_based=1\nruntime={runtime_s}"
    pace = f"do_verify=0\nrate_iops={_KEPT_IOS // runtime_s + 1}\n"
    where = f"ioengine=nbd\nuri={uri}\n"
    jobs = _head(where) + _KEPT + pace + _MIXED.format(timed=timed, block=block, fsync="fsync=16" if fsync else "")
    return _command(directory / "mixed.fio", jobs)


def mptest_command(directory: Path, uri: str, runtime_s: float, rate_iops: int = 0) -> list[str]:
    """Random writes of 512 KiB, two at a time, to 64 MiB again and again; what was written is verified soon, and long before
    it is written anew, each 4 KiB of it. Beside it the job `kept`, which `kept_command` will look for. `rate_iops`: so many a
    second at most."""
    timed = f"runtime={round(runtime_s * 1000)}ms\n" + (f"rate_iops={rate_iops},{rate_iops}\n" if rate_iops else "")
    pace = f"do_verify=0\nrate_iops={int(_KEPT_IOS / runtime_s) + 1}\n"
    return _command(directory / "mptest.fio", _head(f"ioengine=nbd\nuri={uri}\n") + _KEPT + pace + _MPTEST + timed)


def kept_command(directory: Path, file: Path) -> list[str]:
    """Whether `file` holds what the job `kept` has written, said by somebody else than the server."""
    return _command(directory / "kept.fio", _head(f"ioengine=psync\nfilename={file}\nverify_only=1\n") + _KEPT)


def _head(more: str) -> str:
    return f"[global]\nverify=crc32c\nverify_fatal=1\nverify_state_save=0\nexitall_on_error=1\n{more}"


def _command(path: Path, jobs: str) -> list[str]:
    path.write_text(jobs)
    return [require_program("fio"), str(path), "--output-format=json"]


def complaints(printed: str) -> str:
    """What it said that is no report."""
    return "".join(line + "\n" for line in printed.splitlines() if line.startswith(("fio:", "verify:", "nbd:", "hdr")))


def reports(output: str) -> list[dict[str, Any]]:
    """The jobs of a run, from what fio printed: greetings first, then JSON."""
    jobs: list[dict[str, Any]] = json.loads(output[output.index("{") :])["jobs"]
    return jobs


def report(output: str) -> dict[str, Any]:
    """The one job of a run."""
    return reports(output)[0]
