"""The image that every server serves: fully written, in the page cache before each run, clean after it."""

from __future__ import annotations

import os
import random
from pathlib import Path

CHUNK_BYTES = 1 << 20
SEED = 2


def create(path: Path, size_bytes: int) -> None:
    """Writes the whole image with incompressible data, so that no block of it is a hole, and flushes it."""
    chunk = random.Random(SEED).randbytes(CHUNK_BYTES)
    with path.open("wb", buffering=0) as image:
        for offset in range(0, size_bytes, CHUNK_BYTES):
            image.write(chunk[: size_bytes - offset])
        os.fsync(image.fileno())


def warm(path: Path) -> None:
    """Reads the whole image, so that the page cache holds it."""
    buffer = bytearray(CHUNK_BYTES)
    with path.open("rb", buffering=0) as image:
        while image.readinto(buffer):
            pass


def settle(path: Path) -> None:
    """Writes dirty pages back, so that one server's writes do not cost the next one's run."""
    with path.open("r+b", buffering=0) as image:
        os.fsync(image.fileno())
