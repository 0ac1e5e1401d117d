"""`io read|write|mix DEVICE NAME=VALUE...`: direct I/O by Linux native AIO, as the recorder of transcripts does it.

Linux: fs/aio.c. A call of io_submit(2) with more than two I/Os is one plug. Each I/O in flight has a slot of the buffer, the
last one that became free is the next one to be used.
"""

from dataclasses import dataclass
from typing import Final

from hawser.block.ops import READ, WRITE
from hawser.block.plug import Plug
from hawser.core.clock import NEVER
from hawser.dm.condition import Condition, Waiting
from hawser.lab.linux.direct_io import ANY_CPU, DirectIo, start
from hawser.lab.linux.errnos import printed
from hawser.lab.linux.files import OpenFile, OsError
from hawser.lab.linux.mersenne import MersenneTwister
from hawser.lab.linux.programs.words import options_of, size_of
from hawser.lab.linux.system import Output, System
from hawser.lab.linux.tasks import Run

# Linux: AIO_PLUG_THRESHOLD.
PLUG_THRESHOLD: Final = 2


@dataclass
class Job:
    """What was asked for."""

    op: str
    offset: int
    size: int
    count: int
    batch: int
    depth: int
    stride: int
    seconds: float
    order: list[int]
    fill: str
    verify: str
    mix: str
    log: str
    cpu: int


def job_of(op: str, options: dict[str, str]) -> Job:
    """ValueError when a number is none."""
    size = size_of(options.get("bs", "4096"))
    count = int(options.get("count", "1"))
    batch = int(options.get("batch", "1"))
    return Job(
        op,
        size_of(options.get("off", "0")),
        size,
        count,
        batch,
        int(options.get("depth", str(batch))),
        size_of(options.get("stride", str(size))),
        float(options.get("time", "-1")),
        order_of(options.get("order", "seq"), count, int(options.get("seed", "1"))),
        options.get("fill", "index"),
        options.get("verify", ""),
        options.get("mix", ""),
        options.get("log", ""),
        int(options.get("cpu", str(ANY_CPU))),
    )


def order_of(name: str, count: int, seed: int) -> list[int]:
    """The numbers of the I/Os in the order in which they are submitted."""
    numbers = list(range(count))
    if name == "rand":
        MersenneTwister(seed).shuffle(numbers)
    elif name == "rev":
        numbers.reverse()
    elif name.startswith("interleave"):
        streams = int(name.removeprefix("interleave"))
        each = count // streams
        numbers = [stream * each + place for place in range(each) for stream in range(streams)]
    return numbers


def pattern(word: str, number: int) -> int:
    """The byte of which I/O `number` consists."""
    return (number * 7 + 1) & 255 if word == "index" else int(word, 0) & 255


class _Slotted(DirectIo):
    """I/O `number`, in a slot of the buffer; tells the ring when it is done."""

    def __init__(self, ring: "_Ring", number: int, slot: int, op: int, position: int, size: int) -> None:
        data = None if op == READ else bytes([pattern(ring.job.fill, number)]) * size
        super().__init__(op, position, size, data, slot * size)
        self.ring = ring
        self.number = number
        self.slot = slot
        self.wanted = size
        self.cpu = ring.job.cpu

    def ended(self) -> None:
        self.ring.events.append(self)


class _Ring:
    """What has ended and was not looked at yet, in order."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.events: list[_Slotted] = []


class _Events(Condition):
    """At least so many have ended."""

    def __init__(self, ring: _Ring, wanted: int) -> None:
        super().__init__()
        self.ring = ring
        self.wanted = wanted

    def ready(self) -> bool:
        return len(self.ring.events) >= self.wanted


class _Tally:
    """What came of it."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.good = 0
        self.short = 0
        self.mismatches = 0
        self.errors: dict[str, int] = {}
        self.failed: list[tuple[int, str]] = []
        self.order: list[str] = []

    def add(self, io: _Slotted) -> None:
        self.order.append(("r" if io.op == READ else "w") + str(io.number))
        if io.error:
            name = printed(io.error)
            self.failed.append((io.number, name))
            self.errors[name] = self.errors.get(name, 0) + 1
        elif io.moved != io.wanted:
            self.short += 1
        else:
            self.good += 1
            if self.job.op == "read" and self.job.verify:
                expected = bytes([pattern(self.job.verify, io.number)]) * io.wanted
                self.mismatches += io.read_data() != expected

    def put(self, output: Output) -> int:
        """Print it; the exit status."""
        words = [f"ok={self.good}"]
        if self.short:
            words.append(f"short={self.short}")
        words += [f"{name}={count}" for name, count in sorted(self.errors.items())]
        if self.failed:
            words.append(f"first_error_index={min(number for number, _ in self.failed)}")
        if self.mismatches:
            words.append(f"mismatch={self.mismatches}")
        output.put(" ".join(words))
        if self.job.log == "order":
            output.put("completed: " + " ".join(self.order))
        if self.job.log == "failed":
            output.put("failed: " + " ".join(f"{number}:{name}" for number, name in sorted(self.failed)))
        return 1 if self.errors or self.short or self.mismatches else 0


def io(system: System, argv: list[str], output: Output) -> Run:
    job = job_of(argv[1], options_of(argv[3:]))
    if job.cpu != ANY_CPU and not output.together:
        system.kit.cpu = job.cpu
    try:
        file = system.files.open(argv[2], job.op != "read")
    except OsError as error:
        output.put(f"open: {printed(error.errno_name)}")
        return 1
    try:
        tally = _Tally(job)
        yield from _perform(system, file, job, tally)
        yield system.exit_delay()
        yield from system.files.close(file)
    finally:
        system.files.close_now(file)
    return tally.put(output)


def _perform(system: System, file: OpenFile, job: Job, tally: _Tally) -> Waiting:
    ring = _Ring(job)
    end_ns = system.deadline_ns(job.seconds)
    free = list(range(job.depth))
    count = job.count
    begun = done = 0
    while done < count:
        now = min(job.batch, len(free), count - begun)
        if end_ns != NEVER and system.kit.clock.now_ns > end_ns and begun < count:
            count, now = begun, 0
        if now:
            batch = [_next(ring, job.order[begun + place], free.pop()) for place in range(now)]
            begun += now
            yield from _submit(system, file, batch)
        if done >= count:
            break
        if now and begun < count and len(free) >= job.batch:
            continue
        wanted = 1 if job.depth > job.batch else max(1, begun - done)
        yield _Events(ring, wanted)
        ended = ring.events[: job.depth]
        del ring.events[: job.depth]
        for one in ended:
            tally.add(one)
            free.append(one.slot)
        done += len(ended)


def _next(ring: _Ring, number: int, slot: int) -> _Slotted:
    job = ring.job
    writes = job.op == "write" or (job.op == "mix" and job.mix[number % len(job.mix)] == "w")
    position = job.offset + number * job.stride
    return _Slotted(ring, number, slot, WRITE if writes else READ, position, job.size)


def _submit(system: System, file: OpenFile, batch: list[_Slotted]) -> Waiting:
    """One call of io_submit(2)."""
    plug = Plug() if len(batch) > PLUG_THRESHOLD else None
    for one in batch:
        yield from start(system.files, system.kit, file, one, plug)
    if plug is not None:
        plug.finish()
        system.kit.settle()
