"""A Dask cluster of this machine: a scheduler and workers, each a process, on loopback, ended by their numbers."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS_MAX = 45.0


def python_path(*first: Path) -> str:
    """For processes that are to import what this one can."""
    return os.pathsep.join([*map(str, first), str(ROOT), *(path for path in sys.path if path)])


def without_progress(errors: str) -> str:
    """What a sweep said but for the lines that tell how far it is, which come when it takes long."""
    return "".join(line for line in errors.splitlines(keepends=True) if not line.startswith("sweep: "))


class DaskCluster:
    """Use it as a context. `folder`: for the files of its processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.address = ""

    def __enter__(self) -> "DaskCluster":
        try:
            file = self.folder / "scheduler.json"
            words = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show", "--scheduler-file", str(file)]
            self._start("distributed.cli.dask_scheduler", words, python_path())
            self.address = self._read_address(file)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start_worker(self, *first: Path, threads: int = 1) -> subprocess.Popen[bytes]:
        """`first`: where it looks for modules before anywhere else."""
        words = [self.address, "--host", "127.0.0.1", "--nthreads", str(threads), "--no-dashboard", "--no-nanny"]
        words += ["--local-directory", str(self.folder / f"worker{len(self.processes)}")]
        return self._start("distributed.cli.dask_worker", words, python_path(*first))

    def await_workers(self, count: int) -> None:
        """Until so many have said that they are there."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            logs = [path.read_text() for path in sorted(self.folder.glob("dask*.log"))]
            if sum("Registered to:" in log for log in logs) >= count:
                return
            time.sleep(0.05)
        raise AssertionError(f"there are no {count} workers")

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()

    def close(self) -> None:
        for process in reversed(self.processes):
            self.stop(process)

    def _start(self, module: str, words: list[str], path: str) -> subprocess.Popen[bytes]:
        log = self.folder / f"dask{len(self.processes)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONPATH": path},
                cwd=self.folder,
            )
        self.processes.append(process)
        return process

    def _read_address(self, file: Path) -> str:
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            assert self.processes[0].poll() is None, (self.folder / "dask0.log").read_text()
            try:
                return str(json.loads(file.read_text())["address"])
            except (OSError, ValueError):
                time.sleep(0.05)
        raise AssertionError("the scheduler does not begin")
