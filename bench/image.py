"""The image that every server serves, and the state of the page cache in which each of them meets it.

The image is written in pieces of a page, as a disk's clients would write it, so the page cache holds it in small
folios. (Written in large pieces it is held in large folios, and there a 4 KiB write costs ext4 three times as much,
most of it under the inode's lock: it would be the file system that is measured.)
"""

from __future__ import annotations

import os
import random
from pathlib import Path

PIECE_BYTES = 4096
READ_BYTES = 1 << 20
SEED = 2


def create(path: Path, size_bytes: int) -> None:
    """Writes the whole image with incompressible data, so that no block of it is a hole, and flushes it."""
    piece = random.Random(SEED).randbytes(PIECE_BYTES)
    with path.open("wb", buffering=0) as image:
        for offset in range(0, size_bytes, PIECE_BYTES):
            image.write(piece[: size_bytes - offset])
        os.fsync(image.fileno())


def warm(path: Path) -> None:
    """Reads the whole image, so that the page cache holds it."""
    buffer = bytearray(READ_BYTES)
    with path.open("rb", buffering=0) as image:
        while image.readinto(buffer):
            pass


def settle(path: Path) -> None:
    """Writes dirty pages back, so that one server's writes do not cost the next one's run."""
    with path.open("r+b", buffering=0) as image:
        os.fsync(image.fileno())
