"""What a sweep has done so far, on disk: DIR/jobs.jsonl, a line for each job that has ended well, durable before it counts.

The first line says what it is the sweep of. A job is known by a key made of everything that decides its outcome: which hawser,
what plays it, the cell's scenario with the files that it needs, and the seed. So a sweep that is asked for again goes on, and
one that is asked for more (more seeds, more values) plays what is missing. The last line may be torn, if the machine or the
program stopped in the midst of it: it is passed over.
"""

import fcntl
import json
import os
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from hawser.lab.model.jobs import Job, write

JOBS: Final = "jobs.jsonl"


class StoreError(Exception):
    """The message names the directory and says what would be right."""


def job_key(hawser: str, play: str, outside: str, job: Job) -> str:
    """`outside`: a digest of the files that the job's scenario needs (hawser.cli.lab_identity)."""
    return blake2b(write([hawser, play, outside, job.scenario, job.seed]).encode(), digest_size=16).hexdigest()


class Store:
    """`scenario`: the one that is varied, as JSON. Use it as a context: nobody else sweeps into the directory meanwhile.

    StoreError when it cannot be used.
    """

    def __init__(self, folder: Path, name: str, scenario: str, hawser: str, play: str) -> None:
        self.folder = folder
        self.path = folder / JOBS
        self.header = {"hawser": hawser, "name": name, "play": play, "scenario": json.loads(scenario)}
        # Outcomes by the keys of their jobs, as they were written.
        self.done: dict[str, str] = {}
        self._lines: dict[str, str] = {}
        self._lock = self._file = -1
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            self._open()
        except OSError as error:
            self.close()
            raise StoreError(f"{error.filename or folder}: {error.strerror}") from None
        except StoreError:
            self.close()
            raise

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._lock = self._file = -1

    def _open(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(f"{self.folder}: another sweep is at work there: want another --into") from None
        data = self.path.read_bytes() if self.path.exists() else b""
        whole = data[: data.rfind(b"\n") + 1]
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        if len(whole) < len(data):
            os.ftruncate(self._file, len(whole))
        lines = whole.splitlines()
        if not lines:
            self._append(write(self.header))
            os.fsync(self._lock)
            return
        self._compare(self._decode(lines[0], 1))
        for number, line in enumerate(lines[1:], start=2):
            row = self._decode(line, number)
            try:
                self._lines[row["key"]] = line.decode()
                self.done[row["key"]] = write(row["outcome"])
            except KeyError as error:
                raise StoreError(f"{self.path}: line {number} has no {error}: it is no job of a sweep") from None

    def _decode(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except ValueError as error:
            raise StoreError(
                f"{self.path}: line {number} is no JSON ({error}): remove it, or use another --into"
            ) from None
        if not isinstance(row, dict):
            raise StoreError(f"{self.path}: line {number} is no job of a sweep")
        return row

    def _compare(self, header: dict[str, Any]) -> None:
        """Whether it is the same sweep."""
        other = "want another --into DIR, or remove what is there"
        if header == self.header:
            return
        if "scenario" not in header or "hawser" not in header:
            raise StoreError(f"{self.path}: is not of a sweep: {other}")
        if header["scenario"] != self.header["scenario"]:
            raise StoreError(
                f"{self.folder}: holds the sweep of another scenario, {header.get('name')!r}, which differs in "
                f"{', '.join(_differences(header['scenario'], self.header['scenario'], ''))}: {other}"
            )
        if header["hawser"] != self.header["hawser"]:
            raise StoreError(
                f"{self.folder}: was swept by hawser {header['hawser']}; this is {self.header['hawser']}: {other}"
            )
        if header.get("play") != self.header["play"]:
            raise StoreError(f"{self.folder}: was played by {header.get('play')}, not {self.header['play']}: {other}")

    # Writing.

    def add(self, key: str, job: Job, outcome: str) -> None:
        """Keep what a job came to, for good."""
        line = f'{{"cell":{write(job.label)},"key":"{key}","outcome":{outcome},"seed":{job.seed}}}'
        self._lines[key] = line
        self.done[key] = outcome
        self._append(line)

    def _append(self, line: str) -> None:
        data = line.encode() + b"\n"
        while data:
            data = data[os.write(self._file, data) :]
        os.fsync(self._file)

    def finish(self, keys: Sequence[str]) -> None:
        """Put the lines of these jobs first, in their order, whoever was done first: equal sweeps leave equal files."""
        first = dict.fromkeys(keys)
        order = [key for key in first if key in self._lines] + [key for key in self._lines if key not in first]
        self.replace(JOBS, "".join(f"{line}\n" for line in (write(self.header), *(self._lines[key] for key in order))))

    def replace(self, name: str, text: str) -> None:
        """A file of the directory, whole or as it was."""
        partial = self.folder / f"{name}.new"
        with partial.open("wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.folder / name)
        os.fsync(self._lock)


def _differences(there: Any, here: Any, where: str) -> list[str]:
    """The names of what differs, a few of them."""
    if isinstance(there, dict) and isinstance(here, dict):
        found: list[str] = []
        for key in here:
            if there.get(key) != here[key]:
                found += _differences(there.get(key), here[key], f"{where}.{key}" if where else key)
        return found[:5]
    if isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        found = []
        for number, (old, new) in enumerate(zip(there, here, strict=True)):
            if old != new:
                found += _differences(old, new, f"{where}.{number}")
        return found[:5]
    return [where]
