"""`ls`, `cat` and `echo` as busybox has them, as far as transcripts use them: of sysfs, of /dev, of files that are not there."""

from hawser.lab.linux.errnos import strerror
from hawser.lab.linux.files import OsError
from hawser.lab.linux.nodes import MAPPER, absolute
from hawser.lab.linux.system import Output, System
from hawser.lab.linux.tasks import Run


def ls(system: System, argv: list[str], output: Output) -> Run:
    """`ls [-1] PATH...`: files first, then folders; each with its name before it when there are several paths."""
    paths = [word for word in argv[1:] if not word.startswith("-")]
    files: list[str] = []
    folders: list[tuple[str, list[str]]] = []
    rc = 0
    for path in paths or ["/"]:
        try:
            inside = listing(system, path)
        except OsError as error:
            output.complain(f"ls: {path}: {strerror(error.errno_name)}")
            rc = 1
            continue
        if inside is None:
            files.append(path)
        else:
            folders.append((path, inside))
    for path in sorted(files):
        output.put(path)
    for number, (path, inside) in enumerate(sorted(folders)):
        if len(paths) > 1:
            if number or files:
                output.put("")
            output.put(f"{path}:")
        for name in inside:
            output.put(name)
    yield from ()
    return rc


def listing(system: System, path: str) -> list[str] | None:
    """What is in a folder; None of a file. OsError."""
    if system.sysfs.is_here(path):
        return system.sysfs.list(path)
    if not system.nodes.exists(path):
        raise OsError("ENOENT")
    if not system.nodes.is_directory(path):
        return None
    return system.nodes.in_mapper() if absolute(path) == MAPPER else []


def cat(system: System, argv: list[str], output: Output) -> Run:
    """`cat PATH...`: of sysfs only."""
    rc = 0
    for path in argv[1:]:
        try:
            if not system.sysfs.is_here(path):
                raise OsError("ENOENT")
            output.write(system.sysfs.get(path) + "\n", "")
        except OsError as error:
            output.complain(f"cat: {path}: {strerror(error.errno_name)}")
            rc = 1
    yield from ()
    return rc


def echo(system: System, argv: list[str], output: Output) -> Run:
    """`echo WORD...`."""
    output.put(" ".join(argv[1:]))
    yield from ()
    return 0
