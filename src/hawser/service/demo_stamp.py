"""Stamped blocks: each says which block it is, which write it comes from and in which run, and ends in a checksum of all that.

0  magic      8 bytes
8  run        which run of the load wrote it, so that older data is told apart
16 block      its own number: data that landed elsewhere is told apart
24 stamp      the number of the write
32 body       noise that depends on the stamp
4092 crc      CRC-32 of all before it, so that torn and altered blocks are told apart
"""

import random
import zlib
from struct import Struct
from typing import Final

BLOCK: Final = 4096
ZEROES: Final = bytes(BLOCK)

_HEAD: Final = Struct("<8sQQQ")
_CRC: Final = Struct("<I")
_MAGIC: Final = b"hawser\r\n"
_BODY: Final = BLOCK - _HEAD.size - _CRC.size
_POOL: Final = 8192
_NOISE: Final = memoryview(random.Random(0).randbytes(_POOL + _BODY))


class CorruptBlockError(ValueError):
    """A block that nobody can have written; the message says what is wrong with it."""


def make_block(run: int, block: int, stamp: int) -> bytes:
    """The BLOCK bytes of write number `stamp` (>= 1) to block number `block`."""
    head = _HEAD.pack(_MAGIC, run, block, stamp)
    at = stamp * 61 % _POOL
    body = _NOISE[at : at + _BODY]
    return b"".join((head, body, _CRC.pack(zlib.crc32(body, zlib.crc32(head)))))


def read_stamp(run: int, block: int, data: memoryview) -> int:
    """The stamp of the BLOCK bytes read from block number `block`; 0 when they are zeroes. CorruptBlockError otherwise."""
    magic, its_run, its_block, stamp = _HEAD.unpack_from(data)
    if magic != _MAGIC:
        if data == ZEROES:
            return 0
        raise CorruptBlockError(f"block {block} is neither stamped nor zero")
    crc: int = _CRC.unpack_from(data, BLOCK - _CRC.size)[0]
    if zlib.crc32(data[: BLOCK - _CRC.size]) != crc:
        raise CorruptBlockError(f"block {block} is altered: its checksum is wrong")
    if its_run != run:
        raise CorruptBlockError(f"block {block} holds data of another run")
    if its_block != block:
        raise CorruptBlockError(f"block {block} holds the data of block {its_block}")
    return int(stamp)
