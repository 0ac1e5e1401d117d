"""linear, error and zero: the data is where the table says, and a bio that crosses targets is whole again."""

import pytest

from hawser.block.bio import Bio
from hawser.block.ops import DISCARD, FLUSH, RAHEAD, READ, WRITE, WRITE_ZEROES
from hawser.block.request import ANSWERED, NOT_SENT
from hawser.core.rng import Rng
from hawser.core.status import IOERR, MEDIUM, NOTSUPP, OK, TRANSPORT
from hawser.core.units import MIB, SECTOR_SIZE
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.target import TableError
from hawser.lab.world import Answer, Client, RamPath, Store, World


def make(table: str, disks: int = 2) -> tuple[World, list[RamPath], Client]:
    world = World()
    paths = [world.ram_path(f"d{number}", Store(MIB)) for number in range(disks)]
    return world, paths, Client(world.mapped("dev", table))


def sectors(first: int, count: int) -> bytes:
    return b"".join((first + number).to_bytes(8, "little") * (SECTOR_SIZE // 8) for number in range(count))


def test_linear_moves_the_sectors():
    world, (disk, _), client = make("0 100 linear 259:0 7")
    client.write(3, sectors(0, 5))
    read = client.read(3, 5 * SECTOR_SIZE)
    world.run()
    assert disk.driver.sent == [(WRITE, 10, 2560), (READ, 10, 2560)]
    assert disk.driver.store.data[10 * 512 : 15 * 512] == sectors(0, 5)
    assert read.data == sectors(0, 5)


def test_linear_over_linear():
    world, (disk, _), _ = make("0 100 linear 259:0 7")
    top = Client(world.mapped("top", "0 50 linear dev 20"))
    top.write(1, sectors(0, 2))
    world.run()
    assert disk.driver.sent == [(WRITE, 28, 1024)]
    assert top.done[0].status == OK
    assert top.device.idle()


def test_a_bio_that_crosses_targets_is_cut_and_joined():
    """Three stretches of odd lengths; every bio of up to 40 sectors reads what was written sector by sector."""
    world, _, client = make("0 13 linear 259:0 100\n13 7 linear 259:1 0\n20 30 linear 259:0 0")
    for number in range(50):
        client.write(number, sectors(number, 1))
    rng = Rng(3)
    for _ in range(100):
        first = rng.below(50)
        count = rng.between(1, min(40, 50 - first))
        if rng.chance(1, 2):
            client.write(first, sectors(first, count))
        read = client.read(first, count * SECTOR_SIZE)
        world.run()
        assert (read.status, bytes(read.data or b"")) == (OK, sectors(first, count))
    assert {bio.status for bio in client.done} == {OK}
    assert client.device.idle()


def test_the_first_error_of_the_pieces_is_the_bios():
    world, (_, second), client = make("0 8 linear 259:0 0\n8 8 linear 259:1 0")
    second.driver.script.append(Answer(MEDIUM))
    bio = client.write(4, sectors(0, 8))
    world.run()
    assert bio.status == MEDIUM
    assert len(client.done) == 1


def test_a_flush_reaches_every_disk_below():
    """Else what one of them has in its cache is not durable, though the flush was acknowledged."""
    world, disks, client = make("0 8 linear 259:0 0\n8 8 linear 259:1 0")
    client.flush()
    world.run()
    assert [disk.driver.sent for disk in disks] == [[(2, 0, 0)]] * 2
    disks[1].driver.script.append(Answer(IOERR))
    client.flush()
    world.run()
    assert [bio.status for bio in client.done] == [OK, IOERR]
    assert client.device.idle()


@pytest.mark.parametrize("words", ["", "x", "259:0 0", "259:0 0 0"])
def test_error_fails_everything_but_a_flush(words: str):
    """Oracle: that has nothing to do. Write zeroes are not offered; a discard is, to fail as an error."""
    world, _, client = make(f"0 100 error {words}")
    bios = [client.read(0, 512), client.write(99, bytes(512)), client.discard(0, 512), client.write_zeroes(0, 512)]
    bios.append(client.flush())
    assert client.done == []
    world.run()
    assert [bio.status for bio in bios] == [IOERR, IOERR, IOERR, NOTSUPP, OK]
    assert isinstance(client.device, MappedDevice)
    assert client.device.live_targets()[0].status_table() == ""
    assert client.device.idle()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("259:0 x", "Invalid device sector (-EINVAL)"),
        ("nosuch 0", "Device lookup failed (-ENOENT)"),
        ("240:0 0", "Device lookup failed (-ENXIO)"),
    ],
)
def test_two_words_of_error_are_a_device(words: str, error: str):
    with pytest.raises(TableError) as caught:
        make(f"0 100 error {words}")
    assert str(caught.value) == f"254:0: error: {error}"


@pytest.mark.parametrize(
    ("table", "flushes"),
    [
        ("0 8 linear 259:0 0\n8 8 linear 259:0 8\n16 8 linear 259:1 0", [1, 1]),
        ("0 8 linear 259:0 0\n8 8 striped 2 4 259:0 8 259:1 8", [1, 1]),
        ("0 8 linear 259:0 0\n8 8 zero", [1, 0]),
        ("0 8 linear 259:0 0\n8 8 error", [1, 0]),
        ("0 8 zero\n8 8 error", [0, 0]),
        ("0 8 linear 259:0 0\n8 8 delay 259:0 8 0\n16 8 delay 259:1 0 0", [2, 1]),
        ("0 8 delay 259:0 0 0\n8 8 striped 2 4 259:0 8 259:1 8", [2, 1]),
        ("0 8 flakey 259:0 0 1 0\n8 8 dust 259:1 0 512", [1, 1]),
    ],
)
def test_flushes_are_sent_as_linux_sends_them(table: str, flushes: list[int]):
    """Oracle: one for each device where all targets let it pass, else one for each copy that a target wants."""
    world, disks, client = make(table)
    bio = client.flush()
    world.run()
    sent = [len([op for op, _, _ in disk.driver.sent if op == FLUSH]) for disk in disks]
    assert (bio.status, sent) == (OK, flushes)
    assert client.device.idle()


@pytest.mark.parametrize(
    ("table", "writes", "discards"),
    [
        ("0 96 striped 3 16 259:0 0 259:1 0 259:0 64", 1, 96),
        ("0 96 linear 259:0 0", 1, 96),
        ("0 96 raid1 2 259:0 0 259:1 0", 1, 96),
        ("0 96 delay 259:0 0 0 259:1 0 0", 1, 96),
        ("0 96 zero", 0, 96),
        ("0 96 error 259:0 0", 1, 0),
    ],
)
def test_copies_count_once(table: str, writes: int, discards: int):
    """Oracle: a flush is one write, a discard one discard of all its sectors, to how many devices they ever went."""
    world, _, client = make(table)
    client.flush()
    client.discard(0, 96 * 512)
    world.run()
    stats = client.device.stats
    assert (int(stats.writes.ios), int(stats.writes.sectors)) == (writes, 0)
    assert (int(stats.discards.ios), int(stats.discards.sectors)) == (min(discards, 1), discards)
    assert (int(stats.reads_in_flight), int(stats.writes_in_flight)) == (0, 0)


def test_zero_is_not_read_ahead():
    world, _, client = make("0 100 zero")
    client.submit([Bio(READ, 0, 512, client, None, RAHEAD), Bio(WRITE_ZEROES, 0, 512, client)])
    world.run()
    assert sorted(bio.status for bio in client.done) == [NOTSUPP, IOERR]


def test_zero_gives_zeroes_and_swallows_writes():
    world, _, client = make("0 100 zero")
    client.write(0, b"x" * 4096)
    read = client.read(0, 4096)
    client.discard(0, 4096)
    client.flush()
    world.run()
    assert {bio.status for bio in client.done} == {OK}
    assert read.data == bytes(4096)


def test_a_disk_with_a_bad_middle():
    world, _, client = make("0 8 linear 259:0 0\n8 8 error\n16 8 zero")
    bios = [client.read(sector, 4096) for sector in (0, 8, 16)] + [client.read(4, 4096), client.read(12, 4096)]
    world.run()
    assert [bio.status for bio in bios] == [OK, IOERR, OK, IOERR, IOERR]


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_linear_over_multipath(mode: str):
    world = World()
    store = Store(MIB)
    paths = [world.ram_path(f"p{number}", store) for number in range(2)]
    world.mapped("mp", f"0 2048 multipath 2 queue_mode {mode} 0 1 1 round-robin 0 2 0 259:0 259:1")
    client = Client(world.mapped("part", "0 100 linear mp 50"), world.disk)
    paths[0].driver.script.append(Answer(IOERR))
    client.write(0, sectors(0, 8))
    client.flush()
    world.run()
    read = client.read(0, 4096)
    world.run()
    assert {bio.status for bio in client.done} == {OK}
    assert (read.data, bytes(store.data[50 * 512 : 58 * 512])) == (sectors(0, 8), sectors(0, 8))


# Every target that has devices, from sector 8 of the mapped device on; where its sector 10 is, and whether errors are the disk's.
PLACES = [
    ("linear 259:0 16", 18, True),
    ("striped 1 8 259:0 16", 18, True),
    ("striped 2 8 259:0 16 259:1 0", 18, True),
    ("delay 259:0 16 0", 18, True),
    ("flakey 259:0 16 1 0", 18, False),
    ("dust 259:0 16 4096", 18, False),
    ("raid1 2 259:0 16 259:1 0", 18, False),
    ("raid1 2 259:1 0 259:0 16", 18, False),
]


@pytest.mark.parametrize(("words", "sector", "passes_on"), PLACES)
def test_sectors_are_counted_from_the_start_of_the_target(words: str, sector: int, passes_on: bool):
    world, disks, client = make(f"0 8 zero\n8 64 {words}")
    client.write(10, sectors(1, 2))
    world.run()
    client.flush()
    world.run()
    assert [bio.status for bio in client.done] == [OK, OK]
    wrote, flushed = ([place for op, place, _ in disks[0].driver.sent if op == wanted] for wanted in (WRITE, FLUSH))
    assert (wrote, len(flushed)) == ([sector], 1)
    assert flushed[0] in (0, 16)
    read = client.read(10, 1024)
    world.run()
    assert read.data == sectors(1, 2)
    assert isinstance(client.device, MappedDevice)
    target = client.device.live_targets()[1]
    assert target.passes_on is passes_on
    assert [device.devt for device in target.devices()] == sorted({word for word in words.split() if ":" in word}) or (
        "raid1" in words and len(target.devices()) == 2
    )


def test_a_discard_that_crosses_targets_is_cut():
    world, disks, client = make("0 8 linear 259:0 0\n8 8 striped 2 4 259:0 8 259:1 8\n16 8 delay 259:1 16 0")
    bio = client.discard(4, 16 * 512)
    world.run()
    assert bio.status == OK
    sent = [[(place, size // 512) for op, place, size in disk.driver.sent if op == DISCARD] for disk in disks]
    # Where two pieces lie side by side they are one again.
    assert sent == [[(4, 8)], [(8, 4), (16, 4)]]
    disks[1].driver.script.append(Answer(MEDIUM))
    bio = client.discard(4, 16 * 512)
    world.run()
    assert (bio.status, client.device.idle()) == (MEDIUM, True)


@pytest.mark.parametrize(
    ("first", "second", "fate"),
    [(NOT_SENT, NOT_SENT, NOT_SENT), (NOT_SENT, None, ANSWERED), (NOT_SENT, ANSWERED, ANSWERED)],
)
def test_the_fate_of_copies_is_that_of_the_one_that_says_most(first: int, second: int | None, fate: int):
    world, disks, client = make("0 16 striped 2 4 259:0 0 259:1 0")
    disks[0].driver.script.append(Answer(TRANSPORT, fate=first))
    if second is not None:
        disks[1].driver.script.append(Answer(TRANSPORT, fate=second))
    bio = client.discard(0, 16 * 512)
    world.run()
    assert (bio.status, bio.fate) == (TRANSPORT, fate)


def test_without_a_table_everything_fails():
    world = World()
    device = MappedDevice("nt", "254:0", world.turn, world.clock, world.timers, world.log)
    client = Client(device)
    client.submit([Bio(READ, 0, 512, client), Bio(2, 0, 0, client)])
    assert client.done == []
    world.run()
    assert [bio.status for bio in client.done] == [IOERR, IOERR]
    assert device.idle()
    assert not device.congested()
