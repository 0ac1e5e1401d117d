"""`dust DEVICE START BLOCK_SIZE`: blocks that cannot be read until they are written. For tests, as a disk that grows bad sectors.

Linux: drivers/md/dm-dust.c. Blocks are counted from the start of the device below. The list of bad ones is kept by messages, and
counts only after `enable`. A write to a bad block takes it off the list, after as many failures as it was added with.

    addbadblock BLOCK [FAILURES]   removebadblock BLOCK   queryblock BLOCK
    countbadblocks   clearbadblocks   listbadblocks   enable   disable   quiet
"""

from typing import Final

from hawser.block.device import BlockDevice
from hawser.block.ops import FLUSH, READ
from hawser.core.log import LogSink
from hawser.core.units import SECTOR_SHIFT, SECTOR_SIZE
from hawser.dm.arguments import NOT_A_NUMBER, find_device, scan_sector, scan_uint, strict_uint
from hawser.dm.clone import CloneBio
from hawser.dm.passage import Passage, straight
from hawser.dm.target import KILL, REMAPPED, MessageError, TableError, Target, TargetContext, register_target

BLOCK_SECTORS_MAX: Final = 2097152
FAILURES_MAX: Final = 255
# Unlike the kernel, whose memory is the limit.
BAD_BLOCKS_MAX: Final = 1 << 20
# What wants a block.
_BLOCK_VERBS: Final = ("addbadblock", "removebadblock", "queryblock")


class DustTarget(Target):
    """`bad` holds how often a write to each bad block will fail before one succeeds."""

    def __init__(self, context: TargetContext, start: int, length: int, words: list[str]) -> None:
        super().__init__("dust", start, length)
        self.num_write_zeroes_bios = 0
        self.lookup_error = "Device lookup failed"
        self.log: LogSink = context.log
        if len(words) != 3:
            raise TableError("Invalid argument count")
        self.block_size = _block_size(words[2], length)
        self.block_sectors = self.block_size >> SECTOR_SHIFT
        self.offset = scan_sector(words[1])
        if self.offset == NOT_A_NUMBER:
            raise TableError("Invalid device offset sector")
        self.device: BlockDevice = self._find(context, words[0])
        self.moves_sectors = self.offset != start
        self.max_io_sectors = self.block_sectors
        self.bad: dict[int, int] = {}
        self.fails_reads = False
        self.is_quiet = False

    def _find(self, context: TargetContext, word: str) -> BlockDevice:
        """Whatever is wrong with the device, the errno is the same."""
        try:
            return find_device(context, word, self.lookup_error)
        except TableError as error:
            raise TableError(str(error)) from None

    def devices(self) -> list[BlockDevice]:
        return [self.device]

    def areas(self) -> list[tuple[BlockDevice, int, int]]:
        return [(self.device, self.offset, self.length)]

    def prepare_ioctl(self) -> Passage:
        return straight(self.device, self.offset, self.length)

    def map_bio(self, clone: CloneBio) -> int:
        # As in the kernel, a flush counts as a write to where it would go if it had a sector, which is the device's first.
        sector = 0 if clone.op == FLUSH else clone.sector
        clone.device = self.device
        clone.sector = self.offset + clone.sector - self.start
        if not self.fails_reads:
            return REMAPPED
        block = (self.offset + sector - self.start) // self.block_sectors
        if clone.op == READ:
            return KILL if block in self.bad else REMAPPED
        return self._write(block)

    def _write(self, block: int) -> int:
        failures = self.bad.get(block)
        if failures is None:
            return REMAPPED
        if failures > 0:
            self.bad[block] = failures - 1
            return KILL
        del self.bad[block]
        # As in the kernel: the number is divided once too often.
        self._say(f"block {block // self.block_sectors} removed from badblocklist by write")
        return REMAPPED

    def _say(self, text: str) -> None:
        if not self.is_quiet:
            self.log.info(f"dust: {text}")

    # Messages.

    def message(self, words: list[str]) -> str:
        verb = words[0].lower()
        count = len(words)
        if count == 1:
            return self._message(verb, words[0])
        if count > 3:
            raise self._refusal(f"invalid number of arguments '{count}'")
        block = scan_sector(words[1])
        failures = scan_uint(words[2]) if count == 3 else 0
        if block == NOT_A_NUMBER or failures == NOT_A_NUMBER:
            # Of this the kernel says nothing more.
            raise MessageError("", is_logged=False)
        if failures > FAILURES_MAX:
            raise self._refusal("selected write fail count out of range")
        if block > self.device.size_sectors // self.block_sectors:
            raise self._refusal("selected block value out of range")
        if verb == "addbadblock":
            return self._add(block, failures)
        if count == 2 and verb == "removebadblock":
            return self._remove(block)
        if count == 2 and verb == "queryblock":
            return f"dust_query_block: block {block} {'' if block in self.bad else 'not '}found in badblocklist"
        raise self._refusal(f"unrecognized message '{words[0]}' received")

    def _message(self, verb: str, word: str) -> str:
        """Of one word. The reply."""
        if verb in _BLOCK_VERBS:
            raise self._refusal(f"{word} requires an additional argument")
        if verb in ("enable", "disable"):
            self.fails_reads = verb == "enable"
            self.log.info(f"dust: {'enabling' if self.fails_reads else 'disabling'} read failures on bad sectors")
        elif verb == "quiet":
            self.is_quiet = not self.is_quiet
        elif verb == "countbadblocks":
            return f"countbadblocks: {len(self.bad)} badblock(s) found"
        elif verb == "clearbadblocks":
            found = len(self.bad)
            self.bad = {}
            return "dust_clear_badblocks: " + ("badblocks cleared" if found else "no badblocks found")
        elif verb == "listbadblocks":
            return "".join(f"{block}\n" for block in sorted(self.bad)) or "No blocks in badblocklist"
        else:
            raise self._refusal(f"unrecognized message '{word}' received")
        return ""

    def _add(self, block: int, failures: int) -> str:
        if block in self.bad:
            raise self._quiet_refusal(f"dust_add_block: block {block} already in badblocklist")
        if len(self.bad) >= BAD_BLOCKS_MAX:
            raise MessageError("dust_add_block: badblock allocation failed", "ENOMEM")
        self.bad[block] = failures
        self._say(f"dust_add_block: badblock added at block {block} with write fail count {failures}")
        return ""

    def _remove(self, block: int) -> str:
        if block not in self.bad:
            raise self._quiet_refusal(f"dust_remove_block: block {block} not found in badblocklist")
        del self.bad[block]
        self._say(f"dust_remove_block: badblock removed at block {block}")
        return ""

    def _refusal(self, text: str) -> MessageError:
        self.log.error(f"dust: {text}")
        return MessageError(text, is_logged=False)

    def _quiet_refusal(self, text: str) -> MessageError:
        return MessageError(text, is_logged=False) if self.is_quiet else self._refusal(text)

    # Status.

    def status_info(self) -> str:
        mode = "fail_read_on_bad_block" if self.fails_reads else "bypass"
        return f"{self.device.devt} {mode} {'quiet' if self.is_quiet else 'verbose'}"

    def status_table(self) -> str:
        return f"{self.device.devt} {self.offset} {self.block_size}"


def _block_size(word: str, length: int) -> int:
    """In bytes, in the kernel's order of complaints."""
    size = strict_uint(word)
    if size <= 0:
        raise TableError("Invalid block size parameter")
    if size < SECTOR_SIZE:
        raise TableError(f"Block size must be at least {SECTOR_SIZE}")
    if size & (size - 1):
        raise TableError("Block size must be a power of 2")
    if size >> SECTOR_SHIFT > min(length, BLOCK_SECTORS_MAX):
        raise TableError("Block size is too large")
    return size


register_target("dust", DustTarget)
