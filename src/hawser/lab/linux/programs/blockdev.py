"""`blockdev COMMAND DEVICE` as busybox has it."""

from typing import Final

from hawser.core.units import SECTOR_SHIFT
from hawser.dm.condition import Waiting
from hawser.lab.linux.errnos import strerror
from hawser.lab.linux.files import OpenFile, OsError
from hawser.lab.linux.folder import parse_number
from hawser.lab.linux.page_cache import PAGE
from hawser.lab.linux.system import Output, System
from hawser.lab.linux.tasks import Run

USAGE: Final = """BusyBox multi-call binary.

Usage: blockdev OPTION BLOCKDEV

	--setro		Set ro
	--setrw		Set rw
	--getro		Get ro
	--getss		Get sector size
	--getbsz	Get block size
	--setbsz BYTES	Set block size
	--getsz		Get device size in 512-byte sectors
	--getsize64	Get device size in bytes
	--getra		Get readahead in 512-byte sectors
	--setra SECTORS	Set readahead
	--flushbufs	Flush buffers
	--rereadpt	Reread partition table"""
COMMANDS: Final = (
    "--setro --setrw --getro --getss --getbsz --setbsz --getsz --getsize --getsize64 --getra --setra "
    + "--flushbufs --rereadpt"
)
WITH_NUMBER: Final = ("--setbsz", "--setra")
SECTORS_PER_PAGE: Final = PAGE >> SECTOR_SHIFT


def blockdev(system: System, argv: list[str], output: Output) -> Run:
    command = argv[1] if len(argv) > 1 else ""
    words = argv[2:]
    if command not in COMMANDS.split() or len(words) != (2 if command in WITH_NUMBER else 1):
        output.complain(USAGE)
        return 1
    path = words[-1]
    try:
        file = system.files.open(path, False)
    except OsError as error:
        output.complain(f"blockdev: can't open '{path}': {strerror(error.errno_name)}")
        return 1
    try:
        yield from _perform(system, file, command, words, output)
        yield from system.files.close(file)
    except OsError as error:
        output.complain(f"blockdev: {path}: {strerror(error.errno_name)}")
        return 1
    finally:
        system.files.close_now(file)
    return 0


def _perform(system: System, file: OpenFile, command: str, words: list[str], output: Output) -> Waiting:
    device = file.device
    settings = system.sysfs.settings_of(device)
    size_bytes = device.size_sectors << SECTOR_SHIFT
    numbers = {
        "--getro": int(system.files.is_read_only(device)),
        "--getss": device.limits.logical_block_size,
        "--getbsz": system.caches.of(device).block,
        "--getsz": device.size_sectors,
        "--getsize": device.size_sectors,
        "--getsize64": size_bytes,
        "--getra": settings.read_ahead_pages * SECTORS_PER_PAGE,
    }
    if command in numbers:
        output.put(str(numbers[command]))
    elif command == "--setra":
        settings.read_ahead_pages = parse_number(words[0], 0, 1 << 32) // SECTORS_PER_PAGE
    elif command in ("--setro", "--setrw"):
        system.files.set_read_only(device, command == "--setro")
    elif command == "--flushbufs":
        cache = system.caches.of(device)
        yield from cache.sync()
        cache.forget()
    elif command == "--rereadpt":
        # Linux: disk_scan_partitions(), which wants the disk for itself. Partitions are what the header says: none is found anew.
        disk = system.devices.disk_of(device)
        if disk is None or disk.whole is not disk or disk.facts.text("kind") not in ("brd", "null_blk", "scsi_debug"):
            raise OsError("EINVAL")
        parts = system.devices.parts_of(disk)
        if system.devices.is_taken_from_programs(disk) or any(
            part.openers or system.devices.holders(part.device) for part in parts
        ):
            raise OsError("EBUSY")
