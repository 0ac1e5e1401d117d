"""What a reader must know before the numbers: machine, CPU set, versions, settings, command lines."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.cases import BenchError
from bench.fio import last_line

TIMEOUT_S = 10.0
BUSY_LOAD = 0.5
BUILD_KIND = "from hawser.build_info import build_kind; print(build_kind())"


def machine_lines() -> list[str]:
    cpus, load = os.sched_getaffinity(0), os.getloadavg()[0]
    busy = " (busy: expect wide intervals)" if load > BUSY_LOAD else ""
    return [
        f"date     {now_utc()}",
        f"kernel   {platform.system()} {platform.release()} {platform.machine()}",
        f"CPU      {cpu_model(Path('/proc/cpuinfo').read_text())}",
        f"CPU set  {format_cpus(cpus)} ({len(cpus)} of {os.cpu_count()}), servers and fio alike;"
        f" load before the run {load:.2f}{busy}",
    ]


def stamp() -> dict[str, str]:
    """When and where, for each row of the JSON file."""
    where = {"kernel": platform.release(), "cpu_model": cpu_model(Path("/proc/cpuinfo").read_text())}
    return {"date": now_utc(), **where, "cpu_set": format_cpus(os.sched_getaffinity(0))}


def now_utc() -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())


def version_line(builds: Mapping[str, str]) -> str:
    """`builds`: name of a hawser -> compiled or interpreted."""
    commands = (["fio", "--version"], ["nbdkit", "--version"], ["qemu-nbd", "--version"])
    ours = [f"{name} {build}" for name, build in builds.items()]
    python = f"Python {platform.python_version()}"
    return "versions " + ", ".join([*ours, *(first_line(command) for command in commands), python])


def race_lines(title: str, commands: Mapping[str, str]) -> list[str]:
    width = max(len(label) for label in commands)
    return [title, *(f"  {label:{width}}  {command}" for label, command in commands.items())]


def first_line(command: list[str]) -> str:
    """The first line a program prints, or an error that names it: the bench cannot do without."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise BenchError(f"{command[0]}: does not run ({error})") from error
    return done.stdout.splitlines()[0].strip() if done.stdout else "(no version)"


def build_of(python: Path, directory: Path) -> str:
    """`compiled` or `interpreted`: what the hawser of this Python says it is."""
    try:
        done = subprocess.run(
            [str(python), "-c", BUILD_KIND],
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return last_line(done.stdout) if done.returncode == 0 else "unknown"


def cpu_model(cpuinfo: str) -> str:
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or "unknown"


def format_cpus(cpus: Iterable[int]) -> str:
    """`{0, 1, 2, 5}` -> `0-2,5`, as `taskset -pc` prints it."""
    runs: list[list[int]] = []
    for cpu in sorted(cpus):
        if runs and cpu == runs[-1][-1] + 1:
            runs[-1].append(cpu)
        else:
            runs.append([cpu])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def format_minutes(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"
