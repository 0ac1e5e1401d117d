"""`dd`, GNU's: its operands, its copying block by block, and what it says when something fails.

coreutils 9.1, src/dd.c. Flags that are known: direct, sync, dsync, fullblock, nonblock, noatime, nocache, nofollow, noctty,
append; conversions: fsync, fdatasync, notrunc, nocreat, excl, noerror, sync, sparse. Of those only the ones that matter to a
block device do anything.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Final

from hawser.dm.condition import Condition
from hawser.lab.linux.errnos import strerror
from hawser.lab.linux.files import OsError
from hawser.lab.linux.programs.streams import CountLater, DataLater, Stream, open_input, open_output
from hawser.lab.linux.system import Output, System
from hawser.lab.linux.tasks import Run

BLOCK_DEFAULT: Final = 512
_SUFFIXES: Final = {
    "": 1,
    "c": 1,
    "w": 2,
    "b": 512,
    "k": 1 << 10,
    "K": 1 << 10,
    "M": 1 << 20,
    "G": 1 << 30,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
}
_FLAGS: Final = (
    "append binary cio count_bytes direct directory dsync fullblock noatime nocache noctty nofollow nolinks nonblock"
)
_MORE_FLAGS: Final = "skip_bytes seek_bytes sync text"
_CONVERSIONS: Final = "excl fdatasync fsync nocreat noerror notrunc sparse sync"
_SIZES: Final = ("bs", "ibs", "obs", "count", "skip", "seek", "iseek", "oseek", "cbs")
_TRY: Final = "Try 'dd --help' for more information."


class DdError(Exception):
    """What dd says, behind its name, before it gives up."""


@dataclass
class Operands:
    source: str = ""
    target: str = ""
    sizes: dict[str, int] = field(default_factory=dict)
    input_flags: list[str] = field(default_factory=list)
    output_flags: list[str] = field(default_factory=list)
    conversions: list[str] = field(default_factory=list)
    status: str = ""

    def block(self, name: str) -> int:
        return self.sizes.get("bs") or self.sizes.get(name, BLOCK_DEFAULT)

    def place(self, name: str, other: str) -> int:
        return self.sizes.get(name, self.sizes.get(other, 0))


def parse(words: list[str]) -> Operands:
    """DdError about the first that is wrong."""
    operands = Operands()
    for word in words:
        name, equals, value = word.partition("=")
        if name == "if" and equals:
            operands.source = value
        elif name == "of" and equals:
            operands.target = value
        elif name in _SIZES and equals:
            operands.sizes[name] = _number(name, value)
        elif name in ("iflag", "oflag", "conv") and equals:
            _add_flags(operands, name, value)
        elif name == "status" and equals:
            if value not in ("none", "noxfer", "progress"):
                raise DdError(f"invalid status level: '{value}'\n{_TRY}")
            operands.status = value
        else:
            raise DdError(f"unrecognized operand '{word}'\n{_TRY}")
    return operands


def _add_flags(operands: Operands, name: str, value: str) -> None:
    kinds = {"iflag": ("input flag", operands.input_flags), "oflag": ("output flag", operands.output_flags)}
    what, flags = kinds.get(name, ("conversion", operands.conversions))
    known = _CONVERSIONS if name == "conv" else f"{_FLAGS} {_MORE_FLAGS}"
    for word in value.split(","):
        if word not in known.split():
            raise DdError(f"invalid {what}: '{word}'\n{_TRY}")
        flags.append(word)


def _number(name: str, text: str) -> int:
    """`4k`, `1M`, `2x512`. Block sizes must not be nought."""
    product = 1
    for part in text.split("x"):
        digits = part.rstrip("cwbkKMGBi")
        suffix = part[len(digits) :]
        if not digits.isdecimal() or suffix not in _SUFFIXES:
            raise DdError(f"invalid number: '{text}'")
        product *= int(digits) * _SUFFIXES[suffix]
    if product == 0 and name in ("bs", "ibs", "obs"):
        raise DdError(f"invalid number: '{text}'")
    return product


@dataclass
class Counts:
    """Whole and partial blocks, and bytes."""

    whole_in: int = 0
    part_in: int = 0
    whole_out: int = 0
    part_out: int = 0
    written: int = 0


class QuitError(Exception):
    """What dd says before it ends at once: what was written is not synchronised. Linux: quit() of dd.c."""


def dd(system: System, argv: list[str], output: Output) -> Run:
    try:
        operands = parse(argv[1:])
    except DdError as error:
        output.complain(f"dd: {error}")
        return 1
    counts = Counts()
    streams: list[Stream] = []
    rc = 0
    try:
        try:
            source = _open(system, operands, streams, is_input=True)
            target = _open(system, operands, streams, is_input=False)
        except DdError as error:
            output.complain(f"dd: {error}")
            return 1
        try:
            if operands.place("skip", "iseek"):
                yield from source.settle_seek()
            _place(source, operands.place("skip", "iseek") * operands.block("ibs"), operands.source, "skip")
            if operands.place("seek", "oseek"):
                yield from target.settle_seek()
            _place(target, operands.place("seek", "oseek") * operands.block("obs"), operands.target, "seek")
            rc = yield from _copy(operands, source, target, counts, output)
            failed = yield from _synchronize(operands, target, output)
            rc = rc or failed
        except QuitError as error:
            output.complain(f"dd: {error}")
            rc = 1
        yield system.exit_delay()
        for stream in streams:
            yield from stream.close()
    finally:
        for stream in streams:
            stream.close_now()
    _put_counts(operands, counts, output)
    return rc


def _open(system: System, operands: Operands, streams: list[Stream], is_input: bool) -> Stream:
    path = operands.source if is_input else operands.target
    try:
        if is_input:
            stream = open_input(system, path, operands.input_flags)
        else:
            stream = open_output(system, path, operands.output_flags, "nocreat" not in operands.conversions)
    except OsError as error:
        raise DdError(f"failed to open '{path}': {strerror(error.errno_name)}") from None
    streams.append(stream)
    return stream


def _place(stream: Stream, offset: int, path: str, verb: str) -> None:
    if offset and not stream.seek(offset):
        raise QuitError(f"{path}: cannot {verb}: {strerror('EINVAL')}")


def _read(operands: Operands, source: Stream, size: int) -> DataLater:
    """A block, if the input has so much at once; with `fullblock` if it has so much. OsError. Linux: iread_fnc() of dd.c."""
    data = yield from source.read(size)
    while "fullblock" in operands.input_flags and data and len(data) < size:
        more = yield from source.read(size - len(data))
        if not more:
            break
        data += more
    return data


def _copy(operands: Operands, source: Stream, target: Stream, counts: Counts, output: Output) -> CountLater:
    """The exit status. Without `bs` blocks of one size become blocks of another. QuitError. Linux: dd_copy()."""
    size = operands.block("ibs")
    most = operands.sizes.get("count", -1)
    goes_on = "noerror" in operands.conversions
    pads = "sync" in operands.conversions
    pending = b""
    # How much the last block that was not whole had: so much less is passed over behind an error.
    partial = 0
    place = source.position
    rc = 0
    while most < 0 or counts.whole_in + counts.part_in < most:
        try:
            data = yield from _read(operands, source, size)
            if not data:
                break
            place += len(data)
        except OsError as error:
            if not goes_on or operands.status != "none":
                output.complain(f"dd: error reading '{operands.source}': {strerror(error.errno_name)}")
            if not goes_on:
                rc = 1
                break
            _put_counts(operands, counts, output)
            place += size - partial
            if not source.seek(place):
                if operands.status != "none":
                    output.complain(f"dd: {operands.source}: cannot seek: {strerror('EINVAL')}")
                rc = 1
            if not pads or partial:
                continue
            data = b""
        is_whole = len(data) == size
        counts.whole_in += is_whole
        counts.part_in += not is_whole
        partial = 0 if is_whole else len(data)
        if pads:
            data = data.ljust(size, b"\0")
        pending += data
        if not (yield from _write_blocks(operands, target, pending, counts, output)):
            return 1
        pending = b"" if "bs" in operands.sizes else pending[len(pending) - len(pending) % operands.block("obs") :]
    if pending:
        done, errno_name = yield from _write(operands, target, pending)
        counts.written += done
        counts.part_out += done > 0
        if done != len(pending):
            output.complain(f"dd: error writing '{operands.target}': {strerror(errno_name)}")
            rc = 1
    return rc


def _write_blocks(
    operands: Operands, target: Stream, data: bytes, counts: Counts, output: Output
) -> Generator[Condition, None, bool]:
    """All of its whole blocks; with `bs` all of it, as it came. Whether they went, if an error is not the end. QuitError."""
    block = operands.block("obs")
    is_single = "bs" in operands.sizes
    for first in range(0, len(data) if is_single else len(data) - len(data) % block, block):
        piece = data[first : first + block]
        done, errno_name = yield from _write(operands, target, piece)
        counts.written += done
        if done != len(piece):
            if not is_single:
                counts.part_out += done > 0
                raise QuitError(f"error writing '{operands.target}': {strerror(errno_name)}")
            output.complain(f"dd: error writing '{operands.target}': {strerror(errno_name)}")
            return False
        counts.whole_out += len(piece) == block
        counts.part_out += len(piece) != block
    return True


def _write(operands: Operands, target: Stream, data: bytes) -> Generator[Condition, None, tuple[int, str]]:
    """How many bytes went, and the name of the error that ended it. Linux: iwrite()."""
    if "direct" in operands.output_flags and len(data) < operands.block("obs"):
        # A last block that is none is written through the cache, and that is written out before the end.
        target.is_direct = False
        operands.conversions.append("fsync")
    done = 0
    while done < len(data):
        try:
            done += yield from target.write(data[done:])
        except OsError as error:
            return done, error.errno_name
    return done, ""


def _synchronize(operands: Operands, target: Stream, output: Output) -> CountLater:
    """The exit status. An fdatasync() that fails is followed by an fsync(). Linux: synchronize_output()."""
    rc = 0
    verbs = set(operands.conversions)
    for verb in ("fdatasync", "fsync"):
        if verb in verbs:
            try:
                yield from target.sync()
            except OsError as error:
                output.complain(f"dd: {verb} failed for '{operands.target}': {strerror(error.errno_name)}")
                rc = 1
                verbs.add("fsync")
    return rc


def _put_counts(operands: Operands, counts: Counts, output: Output) -> None:
    if operands.status == "none":
        return
    output.complain(f"{counts.whole_in}+{counts.part_in} records in")
    output.complain(f"{counts.whole_out}+{counts.part_out} records out")
    if operands.status != "noxfer":
        # How long it took is nobody's to compare.
        output.complain(f"{counts.written} bytes copied, 0 s, Infinity B/s")
