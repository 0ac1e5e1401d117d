"""Refusals: tables that were refused, with the lines that the kernel's log has about it.

Linux: the DMERR() calls of drivers/md/dm-table.c, dm-ioctl.c and dm.c on the way through table_load() and do_resume(), in their order.
The prefix `device-mapper: ` is the log's.
"""

from hawser.dm.target import TableError


class RefusedTableError(TableError):
    """`lines` are what the log shall say."""

    def __init__(self, error: TableError, lines: list[str]) -> None:
        super().__init__(str(error), error.errno_name)
        self.lines = lines


def lines_of(error: TableError) -> list[str]:
    """What the log says of a table that was refused."""
    return error.lines if isinstance(error, RefusedTableError) else [f"table: {error}"]


def refused_targets(error: TableError, owner: str) -> RefusedTableError:
    """A table that could not be made: a line of it was refused, or the lines do not go together."""
    if str(error).startswith(f"{owner}: "):
        return RefusedTableError(error, [f"table: {error}", "ioctl: error adding target to table"])
    return RefusedTableError(error, [f"table: {error}", "table: unable to determine table type"])


def refused_change(error: TableError) -> RefusedTableError:
    """A good table that may not follow the one before."""
    return RefusedTableError(error, [f"ioctl: {error}"])


def refused_first_limits(error: TableError) -> RefusedTableError:
    """The first table of a device does not fit the devices below: its queue cannot be set up."""
    return RefusedTableError(
        error,
        [
            f"table: {error}",
            "core: Cannot calculate initial queue limits",
            "ioctl: unable to set up device queue for new table.",
        ],
    )
