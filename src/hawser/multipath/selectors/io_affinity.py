"""`io-affinity`: the path that the table has given to the CPU that an I/O comes from.

Linux: drivers/md/dm-ps-io-affinity.c; `seeds.md` 3.16. Each path is told by a hexadecimal mask which CPUs are its own; the first
path that claims a CPU has it. A CPU whose path has failed, or that has none (a *miss*, which is counted), takes the path of the
lowest CPU that has one in use.

**The CPU of an I/O is the index of the client's connection** to the disk, the lowest that is free when it connects: what a client
does in parallel it does over several connections, and hawser itself runs on one CPU. Connections count round: with masks for n
CPUs (the highest that a path of the group has claimed is n - 1), connection i is CPU i modulo n, so that however many there are
they are spread over the paths. In the laboratory a client of a plan is a connection; the machine of the kernel transcripts has
CPUs, and there is no modulo.

All CPUs are of one NUMA node here. Request-based, a merged request has the CPU of its first bio. Unlike the kernel, where it has
that of whoever happens to run the queue.
"""

from typing import Final

from hawser.dm.target import TableError
from hawser.multipath.path import Path, PathInfo
from hawser.multipath.selectors.base import PathSelector, register_selector

NAME: Final = "io-affinity"

# Of connections; it is as many as Linux can be built for.
CPUS_MAX: Final = 8192
_CHUNK_BITS: Final = 32
_CHUNK_DIGITS: Final = 8
_HEX: Final = "0123456789abcdefABCDEF"


class Claim(PathInfo):
    """What a path has claimed, as the table says it: a bit per CPU."""

    def __init__(self, mask: int) -> None:
        self.mask: int = mask
        self.has_failed = False


def parse_mask(word: str, bits: int) -> int:
    """Up to eight hexadecimal digits for 32 CPUs, commas between them. TableError when it is none, or has more than `bits` bits.

    Linux: cpumask_parse().
    """
    chunks: list[str] = []
    for part in word.split(","):
        chunks += _chunks(part)
    mask: int = 0
    for chunk in chunks:
        if not all(digit in _HEX for digit in chunk):
            raise TableError(f"{NAME} ps: invalid cpumask")
        mask = mask << _CHUNK_BITS | int(chunk, 16)
    if len(chunks) > -(-bits // _CHUNK_BITS) or mask >> bits:
        raise TableError(f"{NAME} ps: invalid cpumask")
    return mask


def _chunks(part: str) -> list[str]:
    """Linux reads from the end, and takes any one character that is no digit before eight digits for a comma."""
    chunks: list[str] = []
    while len(part) > _CHUNK_DIGITS:
        before = len(part) - _CHUNK_DIGITS
        if part[before - 1] in _HEX:
            raise TableError(f"{NAME} ps: invalid cpumask")
        chunks.insert(0, part[before:])
        part = part[: before - 1]
    return [part, *chunks] if part else chunks


def print_mask(mask: int, bits: int) -> str:
    """With all the digits that `bits` bits need. Linux: "%*pb"."""
    text = ""
    while bits > _CHUNK_BITS:
        low_bits = (bits - 1) // _CHUNK_BITS * _CHUNK_BITS
        text += _digits(mask >> low_bits, bits - low_bits) + ","
        mask &= (1 << low_bits) - 1
        bits = low_bits
    return text + _digits(mask, bits)


def _digits(mask: int, bits: int) -> str:
    return f"{mask:x}".rjust((bits + 3) // 4, "0")


class IoAffinity(PathSelector):
    """`owners` by CPU, `misses` counts I/Os of CPUs that nobody owns."""

    name = NAME

    def __init__(self) -> None:
        super().__init__()
        self.info_args = 1
        self.table_args = 1
        self.asks_cpu = True
        self.owners: list[Path | None] = []
        self.misses = 0

    def add_path(self, path: Path, words: list[str]) -> None:
        if len(words) != 1:
            raise TableError(f"{NAME} ps: invalid number of arguments")
        claim = Claim(parse_mask(words[0], self.cpus or CPUS_MAX))
        if not self._claim(path, claim.mask):
            raise TableError(f"{NAME} ps: No new/valid CPU mapping found")
        path.info = claim
        self.valid.append(path)

    def _claim(self, path: Path, mask: int) -> bool:
        """Whether it has got one."""
        owners = self.owners
        while len(owners) < max(mask.bit_length(), self.cpus):
            owners.append(None)
        has_one = False
        for cpu in range(mask.bit_length()):
            if not mask >> cpu & 1:
                continue
            if owners[cpu] is not None:
                self.log.warning(f"multipath {NAME}: CPU mapping for {cpu} exists. Ignoring.")
            else:
                owners[cpu] = path
                has_one = True
        return has_one

    def select(self, size: int) -> Path | None:
        owners = self.owners
        own = owners[self.cpu % len(owners)]
        if own is None:
            self.misses += 1
        elif not claim_of(own).has_failed:
            return own
        for path in owners:
            if path is not None and not claim_of(path).has_failed:
                return path
        return None

    def explain(self, chosen: Path, size: int) -> str:
        cpu = self.cpu % len(self.owners)
        own = self.owners[cpu]
        masks = ", ".join(f"{path.device.devt} {self.table_words(path)}" for path in self.valid)
        if own is chosen:
            return f"{NAME}: that of CPU {cpu}, of {masks}"
        why = "has none" if own is None else f"has {own.device.devt}, which is not in use"
        return f"{NAME}: the first one, as CPU {cpu} {why}, of {masks}"

    def fail_path(self, path: Path) -> None:
        super().fail_path(path)
        claim_of(path).has_failed = True

    def reinstate_path(self, path: Path) -> None:
        super().reinstate_path(path)
        claim_of(path).has_failed = False

    def info_words(self, path: Path) -> str:
        return str(self.misses)

    def table_words(self, path: Path) -> str:
        mask = claim_of(path).mask
        return print_mask(mask, self.cpus or mask.bit_length())

    def words_for(self, place: int, weight: int) -> list[str]:
        return [print_mask(1 << place, place + 1)]


def claim_of(path: Path) -> Claim:
    info = path.info
    assert isinstance(info, Claim)
    return info


def make_io_affinity(words: list[str]) -> PathSelector:
    """Linux takes any arguments, and does not look at them."""
    return IoAffinity()


register_selector(NAME, make_io_affinity)
