"""Folders and files that a command is to write: tried before the work begins; what is wrong with them is one line."""

import os
from pathlib import Path
from tempfile import TemporaryFile


class PlaceError(ValueError):
    """A folder or a file cannot be written; the text names it and says why."""


def reason(error: Exception, name: object = "") -> str:
    """What has gone wrong, in words: without the number that Python puts in front, with the file if it is known. `name`: of the
    file, where the error itself has none, or another than was asked for."""
    if not isinstance(error, OSError) or error.strerror is None:
        return f"{name}: {error}" if name else str(error)
    file = name or error.filename
    return f"{file}: {error.strerror}" if file else error.strerror


def make_folder(folder: str | Path) -> Path:
    """The folder, which is there now and takes files. PlaceError."""
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
        _try(place)
    except OSError as error:
        raise PlaceError(reason(error, folder)) from None
    return place


def check_file(file: str | Path) -> Path:
    """A file that is not there yet, or may be replaced; its folder has to be there. PlaceError."""
    place = Path(file)
    if place.is_dir():
        raise PlaceError(f"{file}: Is a directory")
    if half_of(place) == place:
        return place
    try:
        _try(place.parent)
    except OSError as error:
        raise PlaceError(reason(error, file)) from None
    return place


def half_of(file: Path) -> Path:
    """Where to write what is not whole yet, to be renamed then: beside the file. A device or a pipe is written itself: put in its
    place, a file would take it from everybody."""
    return file if file.exists() and not file.is_file() else file.with_name(f".{file.name}.{os.getpid()}")


def _try(folder: Path) -> None:
    """Nothing of it stays. Modes alone do not say it: root may do anything, but not in /proc."""
    with TemporaryFile(dir=os.fspath(folder)):
        pass
