"""Tables: lines, gaps, forbidden neighbours, devices that are too small; with the kernel's words (transcripts 12, 13)."""

import pytest

from hawser.block.limits import QueueLimits
from hawser.core.units import MIB
from hawser.dm.table import TableLine, parse_lines
from hawser.dm.target import TableError
from hawser.lab.world import Store, World


def make_world() -> World:
    world = World()
    world.ram_path("ram0", Store(32 * MIB))
    for number in range(4):
        world.mapped(f"u{number}", "0 65536 linear 259:0 0")
    return world


def test_lines_comments_and_blanks():
    text = "# two halves\n\n0 8 linear 254:0 0\n  8 16\tzero\n"
    assert parse_lines(text) == [TableLine(0, 8, "linear", ["254:0", "0"]), TableLine(8, 16, "zero", [])]


@pytest.mark.parametrize("line", ["0 8", "a 8 linear", "0 -8 zero", "0x0 8 zero", "0 8.0 zero"])
def test_what_is_no_line_is_named(line: str):
    with pytest.raises(TableError, match=r"line 2 of the table.*is not START LENGTH TYPE WORDS"):
        parse_lines(f"0 8 zero\n{line}")


MP = "multipath 2 queue_mode bio 0 1 1 round-robin 0 1 1 254:0 1"

REFUSED = [
    (f"0 0 {MP}", "zero-length target"),
    (f"8 65528 {MP}", "multipath: Gap in table (-EINVAL)"),
    (f"0 65537 {MP}", "dm-0 too small for target: start=0, len=65537, dev_size=65536"),
    (f"0 655360 {MP}", "dm-0 too small for target: start=0, len=655360, dev_size=65536"),
    (f"0 32768 {MP}\n32768 32768 linear 254:1 0", "target type multipath must appear alone in table"),
    (
        f"0 32768 linear 254:1 0\n32768 32768 {MP}",
        "multipath: singleton target type must appear alone in table (-EINVAL)",
    ),
    (f"0 32768 {MP}\n32768 32768 {MP}", "target type multipath must appear alone in table"),
    ("0 8 linear 254:0 0\n16 8 linear 254:1 0", "linear: Gap in table (-EINVAL)"),
    ("0 16 linear 254:0 0\n8 16 linear 254:1 0", "linear: Gap in table (-EINVAL)"),
    ("0 65536 multipathx 2 queue_mode bio", "multipathx: unknown target type"),
    ("0 65536 linear", "linear: Invalid argument count (-EINVAL)"),
    ("0 65536 linear 254:0 8", "dm-0 too small for target: start=8, len=65536, dev_size=65536"),
    ("0 65536 linear 254:0 x", "linear: Invalid device sector (-EINVAL)"),
    ("0 65536 zero 1", "zero: No arguments required (-EINVAL)"),
    ("0 18014398509481984 zero", "too large device"),
    ("0 18446744073709551615 zero", "too large device"),
    ("0 9223372036854775807 zero", "too large device"),
]


@pytest.mark.parametrize(("text", "error"), REFUSED)
def test_refused_with_the_kernels_words(text: str, error: str):
    world = make_world()
    with pytest.raises(TableError) as caught:
        world.mapped("bad", text)
    assert str(caught.value) == f"254:4: {error}"


def test_the_largest_device():
    assert World().mapped("big", "0 18014398509481983 zero").size_sectors == ((1 << 63) - 1) >> 9


def test_a_device_that_is_not_there():
    with pytest.raises(TableError, match=r"254:0: linear: Device lookup failed \(-ENXIO\)"):
        World().mapped("bad", "0 8 linear 254:9 0")


def test_a_refused_table_leaves_no_listener_behind():
    world = make_world()
    listeners = len(world.disk.fences.listeners)
    with pytest.raises(TableError):
        world.mapped("bad", f"0 32768 {MP}\n32768 32768 linear 254:1 0")
    assert len(world.disk.fences.listeners) == listeners


@pytest.mark.parametrize(
    ("mode", "lower", "good"),
    [
        ("bio", "259:0", True),
        ("bio", "lin", True),
        ("bio", "mprq", True),
        ("rq", "259:0", True),
        ("rq", "lin", False),
        ("rq", "mprq", True),
        ("mq", "mpbio", False),
    ],
)
def test_what_may_stand_on_what(mode: str, lower: str, good: bool):
    """Bio-based on anything; request-based only on what has a queue of its own."""
    world = World()
    world.ram_path("ram0", Store(MIB))
    world.mapped("lin", "0 2048 linear 259:0 0")
    for kind in ("rq", "bio"):
        world.mapped(f"mp{kind}", f"0 2048 multipath 2 queue_mode {kind} 0 1 1 round-robin 0 1 0 259:0")
    line = f"0 2048 multipath 2 queue_mode {mode} 0 1 1 round-robin 0 1 0 {lower}"
    if good:
        assert world.mapped("top", line).table.kind == ("bio" if mode == "bio" else "request")
    else:
        with pytest.raises(TableError, match=r"^table load rejected: including non-request-stackable devices$"):
            world.mapped("top", line)


def test_limits_of_what_is_below_go_up():
    world = World()
    world.ram_path("a", Store(MIB), limits=QueueLimits(max_sectors=64, max_segments=16, write_cache=True))
    world.ram_path("b", Store(MIB), limits=QueueLimits(4096, 4096, 4096, max_sectors=128, max_discard_sectors=8))
    device = world.mapped("both", "0 2048 linear 259:0 0\n2048 2048 linear 259:1 0")
    limits = device.limits
    assert (limits.logical_block_size, limits.max_sectors, limits.max_segments) == (4096, 64, 16)
    assert (limits.max_discard_sectors, limits.write_cache, device.size_sectors) == (0, True, 4096)
