"""WitnessFile: the last acknowledged writes, handed over from one process to the next.

    DIR/witness.key    32 random bytes, made with the directory
    DIR/witness.json   the size of the disk, and of each of the last writes its sectors and the keyed digest of its content

It is written at a clean end, behind a flush: what it says is durable, whatever happens to servers afterwards. The next process
reads it, holds every path against it before anything goes through it, and removes it before a client can write. So after a crash
there is none, and nothing is held against what had changed since. Digests, because the content of a disk has no business there.
"""

import hashlib
import os
from typing import Final

import msgspec

from hawser.block.ops import Buffer
from hawser.multipath.disk import SharedDisk
from hawser.multipath.witness import ENTRIES_MAX, Digester, Remembered

FILE_NAME: Final = "witness.json"
KEY_NAME: Final = "witness.key"
KEY_BYTES: Final = 32
DIGEST_BYTES: Final = 16
VERSION: Final = 1
# So much an intact one never has.
FILE_MAX: Final = 64 * 1024


class WitnessFileError(Exception):
    """The file cannot be used; the message says why, without its name."""


class Entry(msgspec.Struct, forbid_unknown_fields=True):
    """Sectors [start, end), and the digest of what they hold."""

    start: int
    end: int
    digest: str


class Handover(msgspec.Struct, forbid_unknown_fields=True):
    """`entries` are the last writes, the oldest first."""

    version: int
    size_sectors: int
    entries: list[Entry]


class KeyedDigester(Digester):
    """BLAKE2b (RFC 7693) with a key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def digest(self, data: Buffer) -> bytes:
        return hashlib.blake2b(data, key=self._key, digest_size=DIGEST_BYTES).digest()


class WitnessFile:
    """Of the state directory `directory`, which exists and is locked. OSError where the file system says so."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._name = os.path.join(directory, FILE_NAME)
        self._digester: KeyedDigester | None = None

    def read(self) -> list[Remembered]:
        """What an earlier process has handed over, the oldest first; nothing where it has not. WitnessFileError."""
        is_there = os.path.exists(self._name)
        if not is_there:
            return []
        handover = self._decode()
        found: list[Remembered] = []
        for entry in handover.entries:
            if not 0 <= entry.start < entry.end <= handover.size_sectors or len(found) == ENTRIES_MAX:
                raise WitnessFileError(f"its sectors {entry.start}..{entry.end - 1} cannot be")
            try:
                found.append(Remembered(entry.start, entry.end, bytes.fromhex(entry.digest)))
            except ValueError:
                raise WitnessFileError(f"{entry.digest!r} is no digest") from None
        return found

    def _decode(self) -> Handover:
        with open(self._name, "rb") as file:
            data = file.read(FILE_MAX + 1)
        try:
            handover = msgspec.json.decode(data, type=Handover)
        except msgspec.MsgspecError as error:
            raise WitnessFileError(f"it is damaged: {error}") from None
        if handover.version != VERSION:
            raise WitnessFileError(f"it is of version {handover.version}, not {VERSION}")
        if not os.path.exists(os.path.join(self._directory, KEY_NAME)):
            raise WitnessFileError(f"{KEY_NAME}, by which its digests were made, is missing")
        return handover

    def digester(self) -> KeyedDigester:
        """By the directory's key, which is made now if it has none."""
        if self._digester is None:
            name = os.path.join(self._directory, KEY_NAME)
            try:
                with open(name, "rb") as file:
                    key = file.read(KEY_BYTES + 1)
            except FileNotFoundError:
                key = os.urandom(KEY_BYTES)
                self._write(name, key)
            if len(key) != KEY_BYTES:
                raise WitnessFileError(f"{KEY_NAME} has not {KEY_BYTES} bytes")
            self._digester = KeyedDigester(key)
        return self._digester

    def remove(self) -> None:
        """From now on the disk may change. Durable when this returns."""
        try:
            os.unlink(self._name)
        except FileNotFoundError:
            return
        self._sync_directory()

    def hand_over(self, disk: SharedDisk, size_sectors: int) -> None:
        """Nothing is written any more, and what was written is durable. Durable when this returns."""
        entries: list[Entry] = []
        digester = self.digester()
        for testimony in disk.witness.testimonies():
            start, end = testimony.sector, testimony.end_sector()
            if testimony.is_durable() and not disk.fences.may_change(start, end, testimony.own):
                digest = testimony.digest or digester.digest(testimony.data)
                entries.append(Entry(start, end, digest.hex()))
        entries = entries[:ENTRIES_MAX]
        entries.reverse()
        if entries:
            self._write(self._name, msgspec.json.encode(Handover(VERSION, size_sectors, entries)))

    def _write(self, name: str, data: bytes) -> None:
        part = f"{name}.new"
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(part, name)
        self._sync_directory()

    def _sync_directory(self) -> None:
        fd = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
