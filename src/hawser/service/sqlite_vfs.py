"""SQLite on a bare disk: a VFS for the SQLite that Python's own `sqlite3` uses, so that a database needs no file system, no mount
and no root. `register` it, then `sqlite3.connect("file:NAME?vfs=VFS", uri=True)`.

One process has the disk, and one connection each database: locks are granted, never shared. No write-ahead log (it needs shared
memory): `prepare` sets a connection up for the rollback journal. https://www.sqlite.org/c3ref/vfs.html, c3ref/io_methods.html.
"""

import ctypes
import os
import sqlite3
import time
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_double, c_int, c_int64, c_size_t, c_void_p
from typing import Any, Final

from hawser.service.sqlite_files import File, Files

PAGE: Final = 4096
_NAME_MAX: Final = 256

_OK: Final = 0
_NOTFOUND: Final = 12
_CANTOPEN: Final = 14
_IOERR_READ: Final = 10 | 1 << 8
_IOERR_SHORT_READ: Final = 10 | 2 << 8
_IOERR_WRITE: Final = 10 | 3 << 8
_IOERR_FSYNC: Final = 10 | 4 << 8
_IOERR_TRUNCATE: Final = 10 | 6 << 8
_IOERR_FSTAT: Final = 10 | 7 << 8
_IOERR_UNLOCK: Final = 10 | 8 << 8
_IOERR_DELETE: Final = 10 | 10 << 8
_IOERR_ACCESS: Final = 10 | 13 << 8
# A write of a block leaves its neighbours as they were, whatever happens.
_POWERSAFE_OVERWRITE: Final = 0x1000
_JULIAN_EPOCH: Final = 2440587.5

_Open = CFUNCTYPE(c_int, c_void_p, c_char_p, c_void_p, c_int, POINTER(c_int))
_Delete = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
_Access = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int, POINTER(c_int))
_FullPathname = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int, c_void_p)
_Randomness = CFUNCTYPE(c_int, c_void_p, c_int, c_void_p)
_Sleep = CFUNCTYPE(c_int, c_void_p, c_int)
_CurrentTime = CFUNCTYPE(c_int, c_void_p, POINTER(c_double))
_GetLastError = CFUNCTYPE(c_int, c_void_p, c_int, c_void_p)
_Simple = CFUNCTYPE(c_int, c_void_p)
_Move = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_Truncate = CFUNCTYPE(c_int, c_void_p, c_int64)
_Sync = CFUNCTYPE(c_int, c_void_p, c_int)
_FileSize = CFUNCTYPE(c_int, c_void_p, POINTER(c_int64))
_Reserved = CFUNCTYPE(c_int, c_void_p, POINTER(c_int))
_Control = CFUNCTYPE(c_int, c_void_p, c_int, c_void_p)


class _File(Structure):
    """sqlite3_file, and which of our files it is."""

    _fields_ = [("methods", c_void_p), ("number", c_size_t)]


class _Methods(Structure):
    """sqlite3_io_methods, version 1."""

    _fields_ = [
        ("version", c_int),
        ("close", _Simple),
        ("read", _Move),
        ("write", _Move),
        ("truncate", _Truncate),
        ("sync", _Sync),
        ("size", _FileSize),
        ("lock", _Sync),
        ("unlock", _Sync),
        ("reserved", _Reserved),
        ("control", _Control),
        ("sector", _Simple),
        ("characteristics", _Simple),
    ]


class _Vfs(Structure):
    """sqlite3_vfs, version 1. What loads extensions is left out."""

    _fields_ = [
        ("version", c_int),
        ("file_size", c_int),
        ("name_max", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", _Open),
        ("delete", _Delete),
        ("access", _Access),
        ("full_pathname", _FullPathname),
        ("dl_open", c_void_p),
        ("dl_error", c_void_p),
        ("dl_sym", c_void_p),
        ("dl_close", c_void_p),
        ("randomness", _Randomness),
        ("sleep", _Sleep),
        ("current_time", _CurrentTime),
        ("get_last_error", _GetLastError),
    ]


class NoSqliteError(Exception):
    """The SQLite of this Python cannot be reached."""


class Vfs:
    """Registered by its making, until `close`; all connections have to be closed by then. `fault`: the first thing that a disk
    said no to, in words."""

    def __init__(self, name: str, files: Files) -> None:
        self.name = name
        self.files = files
        self.fault = ""
        self._library = _library()
        self._opened: dict[int, File] = {}
        self._count = 0
        self._methods = _Methods(
            1,
            _Simple(self._close),
            _Move(self._read),
            _Move(self._write),
            _Truncate(self._truncate),
            _Sync(self._sync),
            _FileSize(self._size),
            _Sync(self._lock),
            _Sync(self._unlock),
            _Reserved(self._reserved),
            _Control(self._control),
            _Simple(self._sector),
            _Simple(self._characteristics),
        )
        self._vfs = _Vfs(
            1,
            ctypes.sizeof(_File),
            _NAME_MAX,
            None,
            name.encode(),
            None,
            _Open(self._open),
            _Delete(self._delete),
            _Access(self._access),
            _FullPathname(self._full_pathname),
            None,
            None,
            None,
            None,
            _Randomness(self._randomness),
            _Sleep(self._sleep),
            _CurrentTime(self._current_time),
            _GetLastError(self._get_last_error),
        )
        if self._library.sqlite3_vfs_register(ctypes.byref(self._vfs), 0) != _OK:
            raise NoSqliteError(f"SQLite does not take the VFS {name!r}")

    def close(self) -> None:
        assert not self._opened, "connections are closed first"
        self._library.sqlite3_vfs_unregister(ctypes.byref(self._vfs))

    def connect(self, database: str) -> sqlite3.Connection:
        """A connection for one thread, which commits and rolls back by hand; sqlite3.Error."""
        connection = sqlite3.connect(f"file:{database}?vfs={self.name}", uri=True, isolation_level=None)
        try:
            for pragma in (f"page_size = {PAGE}", "journal_mode = persist", "temp_store = memory"):
                connection.execute(f"pragma {pragma}").fetchall()
        except BaseException:
            connection.close()
            raise
        return connection

    # Of the VFS. Nothing may be raised through C: each answers with a number.

    def _open(self, vfs: int, name: bytes | None, file: int, flags: int, granted: Any) -> int:
        theirs = _File.from_address(file)
        theirs.methods = None
        try:
            # A temporary file has no name; prepared connections keep these in memory.
            ours = self.files.open((name or b"").decode())
        except (OSError, ValueError) as error:
            self._blame(f"open: {error!r}")
            return _CANTOPEN
        self._count += 1
        self._opened[self._count] = ours
        theirs.number = self._count
        theirs.methods = ctypes.addressof(self._methods)
        if granted:
            granted[0] = flags
        return _OK

    def _delete(self, vfs: int, name: bytes, durable: int) -> int:
        return self._try(_IOERR_DELETE, lambda: self.files.open(name.decode()).delete())

    def _access(self, vfs: int, name: bytes, flags: int, answer: Any) -> int:
        answer[0] = 0
        try:
            file = self.files.open(name.decode())
        except (FileNotFoundError, ValueError):
            return _OK
        return self._try(_IOERR_ACCESS, lambda: answer.__setitem__(0, int(file.exists())))

    def _full_pathname(self, vfs: int, name: bytes, room: int, answer: int) -> int:
        if len(name) + 1 > room:
            return _CANTOPEN
        ctypes.memmove(answer, name + b"\0", len(name) + 1)
        return _OK

    def _randomness(self, vfs: int, size: int, answer: int) -> int:
        ctypes.memmove(answer, os.urandom(size), size)
        return size

    def _sleep(self, vfs: int, microseconds: int) -> int:
        time.sleep(microseconds / 1e6)
        return microseconds

    def _current_time(self, vfs: int, answer: Any) -> int:
        answer[0] = _JULIAN_EPOCH + time.time() / 86400
        return _OK

    def _get_last_error(self, vfs: int, room: int, answer: int) -> int:
        return 0

    # Of a file.

    def _close(self, file: int) -> int:
        theirs = _File.from_address(file)
        del self._opened[theirs.number]
        theirs.methods = None
        return _OK

    def _read(self, file: int, into: int, size: int, offset: int) -> int:
        try:
            data = self._of(file).read(offset, size)
        except OSError as error:
            return self._no("read", error, _IOERR_READ)
        ctypes.memmove(into, data, len(data))
        if len(data) == size:
            return _OK
        ctypes.memset(into + len(data), 0, size - len(data))
        return _IOERR_SHORT_READ

    def _write(self, file: int, data: int, size: int, offset: int) -> int:
        return self._try(_IOERR_WRITE, lambda: self._of(file).write(offset, ctypes.string_at(data, size)))

    def _truncate(self, file: int, size: int) -> int:
        return self._try(_IOERR_TRUNCATE, lambda: self._of(file).truncate(size))

    def _sync(self, file: int, flags: int) -> int:
        return self._try(_IOERR_FSYNC, self._of(file).sync)

    def _size(self, file: int, answer: Any) -> int:
        return self._try(_IOERR_FSTAT, lambda: answer.__setitem__(0, self._of(file).size()))

    def _lock(self, file: int, level: int) -> int:
        return _OK

    def _unlock(self, file: int, level: int) -> int:
        return self._try(_IOERR_UNLOCK, self._of(file).unlock)

    def _reserved(self, file: int, answer: Any) -> int:
        answer[0] = 0
        return _OK

    def _control(self, file: int, what: int, argument: int) -> int:
        return _NOTFOUND

    def _sector(self, file: int) -> int:
        return PAGE

    def _characteristics(self, file: int) -> int:
        return _POWERSAFE_OVERWRITE

    def _of(self, file: int) -> File:
        return self._opened[_File.from_address(file).number]

    def _try(self, code: int, deed: Callable[[], object]) -> int:
        try:
            deed()
        except OSError as error:
            return self._no(deed.__name__, error, code)
        return _OK

    def _no(self, what: str, error: OSError, code: int) -> int:
        self._blame(str(error) or repr(error))
        return code

    def _blame(self, fault: str) -> None:
        self.fault = self.fault or fault


def _library() -> ctypes.CDLL:
    """The SQLite that the module `sqlite3` itself uses: the one that its own library was linked with."""
    import _sqlite3

    try:
        library = ctypes.CDLL(getattr(_sqlite3, "__file__", None))
        library.sqlite3_vfs_register.argtypes = [c_void_p, c_int]
        library.sqlite3_vfs_unregister.argtypes = [c_void_p]
    except (OSError, AttributeError):
        raise NoSqliteError(
            "the SQLite of this Python is built into it and cannot be reached: use a Python that is linked with the system's "
            "(Debian: python3, libsqlite3-0)"
        ) from None
    return library
