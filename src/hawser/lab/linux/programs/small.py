"""The recorder's small commands: iostat, blk, hold, sleep, sysfs."""

from collections.abc import Generator
from typing import Final

from hawser.block.bio import Bio
from hawser.block.device import BlockDevice
from hawser.block.ops import DISCARD, FLUSH, NOUNMAP, WRITE, WRITE_ZEROES
from hawser.block.plug import Plug
from hawser.core.status import NOTSUPP, OK
from hawser.core.units import SECTOR_SHIFT
from hawser.dm.condition import Condition, Waiting
from hawser.lab.linux.errnos import errno_name, printed
from hawser.lab.linux.files import OpenFile, OsError
from hawser.lab.linux.page_cache import PAGE
from hawser.lab.linux.programs.words import size_of
from hawser.lab.linux.submission import submit_alone
from hawser.lab.linux.system import Output, System
from hawser.lab.linux.tasks import Run
from hawser.lab.linux.waits import AllDone, Bios

# The numbers of `stat`, and those of them that are printed.
STAT: Final = (
    "rd_ios rd_merges rd_sectors rd_ticks wr_ios wr_merges wr_sectors wr_ticks in_flight io_ticks time_in_queue ds_ios ds_merges "
    "ds_sectors ds_ticks fl_ios fl_ticks"
)
SHOWN: Final = "rd_ios rd_merges rd_sectors wr_ios wr_merges wr_sectors ds_ios ds_sectors fl_ios"
# Linux: UINT_MAX >> SECTOR_SHIFT, BIO_MAX_VECS.
SECTORS_MAX: Final = 0xFFFF_FFFF >> SECTOR_SHIFT
VECTORS_MAX: Final = 256

StatusLater = Generator[Condition, None, int]


def iostat(system: System, argv: list[str], output: Output) -> Run:
    """`iostat snap|delta NAME...`"""
    numbers = STAT.split()
    for name in argv[2:]:
        device = _device_of(system, name)
        now = system.sysfs.settings_of(device).counters()
        if argv[1] == "snap":
            system.snapshots[name] = now
            continue
        before = system.snapshots.get(name)
        if before is None:
            raise ValueError(f"no iostat snap was taken of {name!r}")
        deltas = {word: now[place] - before[place] for place, word in enumerate(numbers)}
        output.put(f"{name}: " + " ".join(f"{word}={deltas[word]}" for word in SHOWN.split()))
    yield from ()
    return 0


def _device_of(system: System, name: str) -> BlockDevice:
    node = system.labels.get(name, name)
    number = system.nodes.number_of(node if node.startswith("/") else f"/dev/mapper/{node}")
    device = system.devices.by_number(number)
    if device is None:
        raise ValueError(f"there is no device {name!r}")
    return device


def sleep(system: System, argv: list[str], output: Output) -> Run:
    """`sleep SECONDS`"""
    yield system.delay(float(argv[1]))
    return 0


def hold(system: System, argv: list[str], output: Output) -> Run:
    """`hold DEVICE SECONDS [excl]`"""
    try:
        file = system.files.open(argv[1], True, "excl" in argv[3:])
    except OsError as error:
        output.put(printed(error.errno_name))
        return 1
    try:
        yield system.delay(float(argv[2]))
        yield from system.files.close(file)
    finally:
        system.files.close_now(file)
    return 0


def sysfs(system: System, argv: list[str], output: Output) -> Run:
    """`sysfs get PATH...`, `sysfs set PATH VALUE`"""
    if argv[1] == "set":
        try:
            system.sysfs.set(argv[2], argv[3])
        except OsError as error:
            output.put(printed(error.errno_name))
            return 1
        return 0
    for path in argv[2:]:
        try:
            value = system.sysfs.get(path)
        except OsError as error:
            value = f"<{printed(error.errno_name)}>"
        output.put(f"{path}: {value}" if len(argv) > 3 else value)
    yield from ()
    return 0


def blk(system: System, argv: list[str], output: Output) -> Run:
    """`blk flush|discard|zeroout|size|ro DEVICE [OFFSET LENGTH]`"""
    verb = argv[1]
    looks = verb in ("size", "ro")
    try:
        file = system.files.open(argv[2], not looks)
        try:
            if verb == "size":
                output.put(str(file.device.size_sectors << SECTOR_SHIFT))
            elif verb == "ro":
                output.put(str(int(system.files.is_read_only(file.device))))
            elif verb == "flush":
                yield from flush(system, file)
            elif verb == "discard":
                yield from discard(system, file, size_of(argv[3]), size_of(argv[4]))
            elif verb == "zeroout":
                yield from zeroout(system, file, size_of(argv[3]), size_of(argv[4]))
            yield from system.files.close(file)
        finally:
            system.files.close_now(file)
    except OsError as error:
        output.put(printed(error.errno_name))
        return 1
    if not looks:
        output.put("ok")
    return 0


def flush(system: System, file: OpenFile, first: int = 0, end: int | None = None) -> Waiting:
    """fsync(2), of all or between two places. OsError. Linux: blkdev_fsync(), generic_write_sync()."""
    cache = system.caches.known(file.device)
    if cache is not None:
        yield from cache.sync(first, end)
    errors = system.caches.errors(file.device)
    if errors.check(file.errors_since):
        file.errors_since = errors.count
        raise OsError("EIO")
    bios = Bios(system.kit.cpu)
    submit_alone(file.device, bios.bio(FLUSH, 0, 0))
    yield AllDone(bios)
    if bios.status not in (OK, NOTSUPP):
        raise OsError(errno_name(bios.status))


def discard(system: System, file: OpenFile, offset: int, length: int) -> Waiting:
    """BLKDISCARD. OsError. Linux: blk_ioctl_discard()."""
    device = file.device
    if not device.limits.max_discard_sectors:
        raise OsError("EOPNOTSUPP")
    if system.files.is_read_only(device):
        raise OsError("EPERM")
    block = device.limits.logical_block_size
    end = offset + length
    if (offset | length) & (block - 1) or not length or end > device.size_sectors << SECTOR_SHIFT:
        raise OsError("EINVAL")
    yield from system.caches.of(device).lock.during(True, _discard_locked(system, device, offset, end))


def _discard_locked(system: System, device: BlockDevice, offset: int, end: int) -> Waiting:
    system.caches.of(device).forget(offset, end)
    bios = Bios(system.kit.cpu)
    batch: list[Bio] = []
    sector = offset >> SECTOR_SHIFT
    while sector < end >> SECTOR_SHIFT:
        count = min((end >> SECTOR_SHIFT) - sector, _discard_limit(device, sector))
        batch.append(bios.bio(DISCARD, sector, count << SECTOR_SHIFT))
        sector += count
    yield from _submit(system, device, bios, batch)
    if bios.status not in (OK, NOTSUPP):
        raise OsError(errno_name(bios.status))


def _discard_limit(device: BlockDevice, sector: int) -> int:
    """Linux: bio_discard_limit()."""
    granularity = max(device.limits.discard_granularity, 512) >> SECTOR_SHIFT
    place = sector + device.first_sector
    ahead = -place % granularity
    return ahead or SECTORS_MAX // granularity * granularity


def zeroout(system: System, file: OpenFile, offset: int, length: int) -> Waiting:
    """BLKZEROOUT. OsError. Linux: blk_ioctl_zeroout(), blkdev_issue_zeroout()."""
    device = file.device
    end = offset + length
    if (offset | length) & 511 or end > device.size_sectors << SECTOR_SHIFT or not length:
        raise OsError("EINVAL")
    yield from system.caches.of(device).lock.during(True, _zeroout_locked(system, device, offset, length, end))


def _zeroout_locked(system: System, device: BlockDevice, offset: int, length: int, end: int) -> Waiting:
    block = device.limits.logical_block_size
    system.caches.of(device).forget(offset, end)
    if (offset | length) & (block - 1):
        raise OsError("EINVAL")
    if system.files.is_read_only(device):
        raise OsError("EPERM")
    status = NOTSUPP
    if device.limits.max_write_zeroes_sectors:
        status = yield from _write_zeroes(system, device, offset >> SECTOR_SHIFT, end >> SECTOR_SHIFT)
    if status == NOTSUPP:
        status = yield from _write_pages(system, device, offset, end)
    if status != OK:
        raise OsError(errno_name(status))


def _write_zeroes(system: System, device: BlockDevice, sector: int, end: int) -> StatusLater:
    block = device.limits.block_sectors()
    most = min(device.limits.max_write_zeroes_sectors, SECTORS_MAX // block * block)
    bios = Bios(system.kit.cpu)
    batch: list[Bio] = []
    while sector < end:
        count = min(end - sector, most)
        batch.append(bios.bio(WRITE_ZEROES, sector, count << SECTOR_SHIFT, None, NOUNMAP))
        sector += count
    yield from _submit(system, device, bios, batch)
    if bios.status != OK and not device.limits.max_write_zeroes_sectors:
        return NOTSUPP
    return bios.status


def _write_pages(system: System, device: BlockDevice, offset: int, end: int) -> StatusLater:
    bios = Bios(system.kit.cpu)
    batch: list[Bio] = []
    while offset < end:
        size = min(end - offset, VECTORS_MAX * PAGE)
        bio = bios.bio(WRITE, offset >> SECTOR_SHIFT, size, bytes(size))
        bio.segments = -(-size // PAGE)
        batch.append(bio)
        offset += size
    yield from _submit(system, device, bios, batch)
    return bios.status


def _submit(system: System, device: BlockDevice, bios: Bios, batch: list[Bio]) -> Waiting:
    """All in one plug, and wait."""
    plug = Plug()
    for bio in batch:
        device.submit(bio, plug)
        system.kit.settle()
    plug.finish()
    yield AllDone(bios)
