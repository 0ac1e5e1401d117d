"""Executor: the moment at which a command takes effect on what its server serves.

Fault model. An effect is whole and happens at one moment, except that a short command stops behind a prefix, and a small write
puts back a picture of its read-modify-write unit that was taken when it began. A flush may fail: then what it should have written
is gone, and it says so once.
"""

from hawser.block.ops import FLUSH, READ
from hawser.core.status import IOERR, OFFLINE
from hawser.lab.devices.command import Command, name_writes
from hawser.lab.devices.hardware import Hardware
from hawser.lab.devices.other_disk import other_value
from hawser.lab.devices.process import Process


class Executor:
    """`flush_errors`: how many of the next flushes fail."""

    def __init__(self, hardware: Hardware, unit_sectors: int, lane: str) -> None:
        self.hardware = hardware
        self.lane = lane
        self.flush_errors = 0
        self._units = unit_sectors

    def begin(self, command: Command, process: Process) -> None:
        """A write of less than a unit starts from what the unit holds now."""
        if self._units > 1 and command.is_write and process.other is None:
            if command.sector + command.count <= process.size_sectors:
                command.picture = command.connection.controller.begin(command.sector, command.count)

    def execute(self, command: Command, process: Process) -> None:
        """Carry out a command now; its answer is in it afterwards."""
        op = command.op
        if op == FLUSH:
            self._flush(command, process)
            return
        count = command.count
        if command.treatment is not None and command.treatment.kind == "short":
            count = max(0, min(command.treatment.amount, count - 1))
        command.good = count
        if command.sector + command.count > process.size_sectors or (process.read_only and command.is_write):
            self._say(command, "refused", "outside of what it serves")
            command.status = IOERR if command.connection.is_file else OFFLINE
            command.good = 0
        elif op == READ:
            self._read(command, count, process)
        elif command.fua and self._fails_to_store(command, process):
            # As servers have it: written, and then not made durable.
            command.connection.controller.write(command.sector, command.values, False, command.picture)
            self._fail_to_store(command)
            command.good = 0
        else:
            self._write(command, count, process)

    def _read(self, command: Command, count: int, process: Process) -> None:
        sector = command.sector
        if process.other is not None:
            values = [process.other.get(place, other_value(place)) for place in range(sector, sector + count)]
        else:
            values = command.connection.controller.read(sector, count)
        command.data = values
        if values:
            self._say(command, "executed", name_writes(values))

    def _write(self, command: Command, count: int, process: Process) -> None:
        values = command.values if count == command.count else command.values[:count]
        if not values:
            return
        if process.other is not None:
            for index, value in enumerate(values):
                process.other[command.sector + index] = value
        else:
            command.connection.controller.write(command.sector, values, command.fua, command.picture)
        if command.abandoned:
            self.hardware.marks.hit("ghost landed")
            self._say(command, "executed", f"{count} sectors, after it was given up")
        elif count != command.count:
            self._say(command, "executed", f"its first {count} sectors only")
        else:
            self.hardware.trace.note(self.lane, "executed", command.text)

    def _flush(self, command: Command, process: Process) -> None:
        controller = command.connection.controller
        if process.other is not None:
            pass
        elif self._fails_to_store(command, process):
            self._fail_to_store(command)
            return
        elif command.connection.errors_seen < controller.cache.errors:
            self._tell_error(command)
            self._say(command, "failed", "an earlier one has lost what it should have written")
            return
        else:
            controller.flush()
        self.hardware.trace.note(self.lane, "executed", command.text)

    def _fails_to_store(self, command: Command, process: Process) -> bool:
        # (Where the answer does not come at all nobody could be told.)
        return self.flush_errors > 0 and process.other is None and _can_be_told(command)

    def _fail_to_store(self, command: Command) -> None:
        self.flush_errors -= 1
        command.connection.controller.fail_flush()
        self._tell_error(command)
        self._say(command, "failed", "what it should have written is lost")

    def _tell_error(self, command: Command) -> None:
        command.status = IOERR
        command.error = command.connection.controller.cache.errors
        command.connection.errors_seen = command.error
        self.hardware.marks.hit("flush error answered")

    def _say(self, command: Command, what: str, more: str) -> None:
        self.hardware.trace.note(self.lane, what, f"{command.text}: {more}")


def _can_be_told(command: Command) -> bool:
    """Whether somebody waits for the answer, or listens for it at least."""
    treatment = command.treatment
    return command.connection.is_open_here and (treatment is None or treatment.kind == "answer_late")
