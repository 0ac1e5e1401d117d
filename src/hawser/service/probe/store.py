"""What the tests write to and read from: an NBD export through a connection, or a file or block device that is opened here.

A file beside a server shows what a second server over the same disk would see. It is locked as `hawser serve` locks it.
"""

import os

from hawser.block.ops import Buffer
from hawser.nbd import protocol
from hawser.paths.disk_lock import LockedError, NoLocksError, lock_disk
from hawser.paths.facts import PathFacts
from hawser.paths.fileio import OpenFile, PathOpenError, open_file, read_fully, write_fully
from hawser.paths.nbd_facts import facts_of
from hawser.paths.uri import PathUri
from hawser.service.probe.connection import ProbeConnection, ProbeError


class Store:
    """`facts` are those that `hawser serve` would take. Offsets and sizes in bytes. Methods raise ProbeError."""

    def __init__(self, uri: PathUri, facts: PathFacts) -> None:
        self.uri = uri
        self.facts = facts

    def write(self, offset: int, data: Buffer, fua: bool = False) -> None:
        raise NotImplementedError

    def write_both(self, other: "Store", places: tuple[int, int], data: tuple[bytes, bytes]) -> None:
        """One write through each of the two at once; until both are answered."""
        raise NotImplementedError

    def read(self, offset: int, size: int) -> bytes:
        raise NotImplementedError

    def flush(self) -> None:
        """Nothing where the server has none."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class NbdStore(Store):
    """An export through a connection of its own."""

    def __init__(self, uri: PathUri) -> None:
        self.connection = ProbeConnection(uri)
        super().__init__(uri, facts_of(self.connection.export))

    def write(self, offset: int, data: Buffer, fua: bool = False) -> None:
        flags = protocol.CMD_FLAG_FUA if fua and self.facts.can_fua else 0
        self._finish(self.connection.send(protocol.CMD_WRITE, offset, len(data), data, flags), f"a write at {offset}")

    def begin_write(self, offset: int, data: Buffer) -> int:
        """Without waiting for the answer; the cookie for `end_write`."""
        return self.connection.send(protocol.CMD_WRITE, offset, len(data), data)

    def end_write(self, cookie: int) -> None:
        self._finish(cookie, "a write")

    def write_both(self, other: Store, places: tuple[int, int], data: tuple[bytes, bytes]) -> None:
        cookie = self.begin_write(places[0], data[0])
        if isinstance(other, NbdStore):
            beside = other.begin_write(places[1], data[1])
            self.end_write(cookie)
            other.end_write(beside)
        else:
            other.write(places[1], data[1])
            self.end_write(cookie)

    def read(self, offset: int, size: int) -> bytes:
        return self.read_all([(offset, size)])[0]

    def read_all(self, places: list[tuple[int, int]]) -> list[bytes]:
        """All of them on their way at once."""
        connection = self.connection
        cookies = [connection.send(protocol.CMD_READ, offset, size) for offset, size in places]
        found: list[bytes] = []
        for cookie, place in zip(cookies, places, strict=True):
            self._finish(cookie, f"a read at {place[0]}")
            found.append(connection.data_of(cookie))
        return found

    def flush(self) -> None:
        if self.facts.can_flush:
            self._finish(self.connection.send(protocol.CMD_FLUSH, 0, 0), "a flush")

    def trim(self, offset: int, size: int) -> None:
        self._finish(self.connection.send(protocol.CMD_TRIM, offset, size), f"a trim at {offset}")

    def zero(self, offset: int, size: int, flags: int) -> int:
        """The error of the wire."""
        return self.connection.wait(self.connection.send(protocol.CMD_WRITE_ZEROES, offset, size, flags=flags))

    def close(self) -> None:
        self.connection.close()

    def _finish(self, cookie: int, what: str) -> None:
        error = self.connection.wait(cookie)
        if error:
            raise ProbeError(f"{self.uri.place()}: {what} is answered with errno {error}")


class FileStore(Store):
    """A file or block device. ProbeError when it cannot be opened, or somebody else has it locked."""

    def __init__(self, uri: PathUri) -> None:
        try:
            self.file: OpenFile = open_file(uri.filename, uri.direct, read_only=False)
            if self.file.facts.read_only:
                raise PathOpenError(f"{uri.filename}: may only be read")
            lock_disk(self.file.fd, is_shared=False)
        except PathOpenError as error:
            raise ProbeError(str(error)) from None
        except LockedError as locked:
            raise ProbeError(f"{uri.filename}: {locked} has it locked: stop what serves it first") from None
        except NoLocksError:
            # Where there are no locks nobody can be told by one.
            pass
        super().__init__(uri, self.file.facts)

    def write(self, offset: int, data: Buffer, fua: bool = False) -> None:
        try:
            done = write_fully(self.file.fd, [data], offset, fua, self.uri.direct)
        except OSError as error:
            raise ProbeError(f"{self.uri.place()}: a write at {offset}: {error.strerror or error}") from None
        if done != len(data):
            raise ProbeError(f"{self.uri.place()}: a write at {offset} took {done} bytes of {len(data)}")

    def write_both(self, other: Store, places: tuple[int, int], data: tuple[bytes, bytes]) -> None:
        if isinstance(other, NbdStore):
            other.write_both(self, (places[1], places[0]), (data[1], data[0]))
            return
        self.write(places[0], data[0])
        other.write(places[1], data[1])

    def read(self, offset: int, size: int) -> bytes:
        try:
            data, count = read_fully(self.file.fd, size, offset, self.uri.direct)
        except OSError as error:
            raise ProbeError(f"{self.uri.place()}: a read at {offset}: {error.strerror or error}") from None
        if count != size:
            raise ProbeError(f"{self.uri.place()}: a read at {offset} brought {count} bytes of {size}")
        return bytes(data)

    def flush(self) -> None:
        try:
            os.fsync(self.file.fd)
        except OSError as error:
            raise ProbeError(f"{self.uri.place()}: fsync: {error.strerror or error}") from None

    def close(self) -> None:
        os.close(self.file.fd)


def open_store(uri: PathUri) -> Store:
    """By the kind of the path. ProbeError when it cannot be opened."""
    return NbdStore(uri) if uri.is_nbd() else FileStore(uri)
