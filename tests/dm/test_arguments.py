"""Words of tables as Linux 6.12 reads them: what wraps, what is refused, what a look-up says."""

import pytest
from tests.dm.controls import load

from hawser.core.units import MIB
from hawser.dm.arguments import NOT_A_NUMBER, Arguments, scan_sector, scan_uint, strict_uint
from hawser.dm.target import TableError
from hawser.lab.world import Store, World


@pytest.mark.parametrize(
    ("word", "scanned", "strict"),
    [
        ("0", 0, 0),
        ("08", 8, 8),
        ("4294967295", 4294967295, 4294967295),
        ("4294967296", 0, NOT_A_NUMBER),
        ("4294967297", 1, NOT_A_NUMBER),
        ("+2", NOT_A_NUMBER, 2),
        ("-1", NOT_A_NUMBER, NOT_A_NUMBER),
        ("", NOT_A_NUMBER, NOT_A_NUMBER),
        ("+", NOT_A_NUMBER, NOT_A_NUMBER),
        ("1x", NOT_A_NUMBER, NOT_A_NUMBER),
        ("0x10", NOT_A_NUMBER, NOT_A_NUMBER),
        ("\u0661", NOT_A_NUMBER, NOT_A_NUMBER),
        ("9" * 65, NOT_A_NUMBER, NOT_A_NUMBER),
    ],
)
def test_numbers_of_32_bits(word: str, scanned: int, strict: int):
    assert (scan_uint(word), strict_uint(word)) == (scanned, strict)


@pytest.mark.parametrize(
    ("word", "sector"),
    [("18446744073709551615", (1 << 64) - 1), ("18446744073709551616", 0), ("36893488147419103233", 1), ("x", -1)],
)
def test_sectors_wrap_at_64_bits(word: str, sector: int):
    assert scan_sector(word) == sector


def test_words_are_taken_one_by_one():
    arguments = Arguments(["3", "a", "x"])
    assert arguments.left() == 3
    assert (arguments.shift(), arguments.shift(), arguments.left()) == ("3", "a", 1)
    with pytest.raises(TableError, match="no number"):
        arguments.read(0, 5, "no number")
    assert arguments.shift() is None
    with pytest.raises(TableError, match="nothing left"):
        arguments.read(0, 5, "nothing left")


@pytest.mark.parametrize("words", [["3", "a", "b"], ["6"], ["x"], []])
def test_a_group_must_be_there_and_within_bounds(words: list[str]):
    with pytest.raises(TableError, match="bad count"):
        Arguments(words).read_group(0, 5, "bad count")
    assert Arguments(["2", "a", "b"]).read_group(0, 5, "bad count") == 2


LOOKUPS = [
    ("259:0", ""),
    ("0259:00", ""),
    ("disk", ""),
    ("nosuch", "ENOENT"),
    ("/dev/nosuch", "ENOENT"),
    ("259:0x", "ENOENT"),
    ("240:0", "ENXIO"),
    ("254:77", "ENXIO"),
    ("4095:1048575", "ENXIO"),
    ("4096:0", "EOVERFLOW"),
    ("259:1048576", "EOVERFLOW"),
    ("999999999999:0", "EOVERFLOW"),
    ("254:0", "EINVAL"),
]


@pytest.mark.parametrize(("word", "errno"), LOOKUPS)
def test_devices_are_looked_up_as_the_kernel_does(word: str, errno: str):
    world = World()
    world.ram_path("disk", Store(MIB))
    table = f"0 8 linear {word} 0"
    if not errno:
        device = world.mapped("dev", table)
        assert device.live_targets()[0].status_table() == "259:0 0"
        return
    with pytest.raises(TableError) as caught:
        world.mapped("dev", table)
    assert str(caught.value) == f"254:0: linear: Device lookup failed (-{errno})"
    assert caught.value.errno_name == errno


def test_a_table_that_names_the_device_itself():
    world = World()
    world.ram_path("disk", Store(MIB))
    device = world.mapped("dev", "0 8 linear disk 0")
    for name in ("dev", "254:0"):
        with pytest.raises(TableError, match=r"linear: Device lookup failed \(-EINVAL\)"):
            load(world, device, f"0 8 linear {name} 0")
    world.mapped("over", "0 8 linear dev 0")
    # Unlike the kernel: nor may it stand on itself by way of another.
    with pytest.raises(TableError, match=r"linear: Device lookup failed \(-EINVAL\)"):
        load(world, device, "0 8 linear over 0")
