"""What is measured: shapes of I/O, numbers of connections, and the rows that join them with a group."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

CONNECTIONS = (1, 4)
MODES = ("rq", "bio")
# What the engine is measured as over a null driver: a path without a map, both modes, and the elevator of the kernel's default.
RAW = "raw"
RQ_SORTED = "rq-mq-deadline"
ENGINE_MODES = (RAW, "rq", RQ_SORTED, "bio")
GROUPS = ("file", "proxy", "engine", "lab", "model")
# Those without a server.
ENGINE_GROUPS = ("engine", "lab", "model")
# The laboratory's model, whose time has to be linear in I/Os (LONGER times as many) and no worse than that in paths.
LONGER = 8
MODEL_LONGER = f"{RQ_SORTED}-x{LONGER}"
MODEL_PATHS = (4, 16, 64)
MODEL_MODES = (RQ_SORTED, MODEL_LONGER, *(f"{RQ_SORTED}-{paths}p" for paths in MODEL_PATHS[1:]), "rq", "bio")


class BenchError(Exception):
    """A measurement that could not be made; the message names the program and says what it answered."""


@dataclass(frozen=True, slots=True)
class Case:
    """One shape of I/O; `depth` is the number of I/Os in flight over all connections together."""

    name: str
    rw: str
    block_bytes: int
    depth: int

    @property
    def writes(self) -> bool:
        return "write" in self.rw

    @property
    def sequential(self) -> bool:
        return not self.rw.startswith("rand")

    def depth_per_connection(self, connections: int) -> int:
        """Every server gets the same total depth; a connection has at least one I/O in flight."""
        return max(1, self.depth // connections)


CASES = (
    Case("randread-4k-qd1", "randread", 4096, 1),
    Case("randread-4k-qd32", "randread", 4096, 32),
    Case("randread-4k-qd128", "randread", 4096, 128),
    Case("read-4k-qd32", "read", 4096, 32),
    Case("randwrite-4k-qd32", "randwrite", 4096, 32),
    Case("read-128k-qd16", "read", 131072, 16),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A case with a number of connections in a group: the unit within which servers are compared."""

    group: str
    case: Case
    connections: int

    @property
    def key(self) -> str:
        """What `--rows` matches, as in `file/randread-4k-qd32/c4`."""
        return f"{self.group}/{self.case.name}/c{self.connections}"


def select_rows(group: str, pattern: str) -> list[Row]:
    """The rows of a group whose key the regular expression finds a match in."""
    wanted = re.compile(pattern)
    rows = (Row(group, case, connections) for connections in CONNECTIONS for case in CASES)
    return [row for row in rows if wanted.search(row.key)]


def parse_size(text: str) -> int:
    """`1G`, `512M`, `4096K` or plain bytes -> bytes."""
    match = re.fullmatch(r"(\d+)([KMG]?)", text.strip().upper())
    if match is None:
        raise ValueError(f"size {text!r}: want a number with K, M or G, as in 512M")
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]]


def parse_words(text: str, allowed: Iterable[str]) -> tuple[str, ...]:
    """A comma-separated list, each word one of `allowed`, in the order of `allowed`."""
    known = tuple(allowed)
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in known:
            raise ValueError(f"{word!r}: want some of {','.join(known)}")
    return tuple(word for word in known if word in words)
