"""The oracle itself: what it lets pass and what it does not."""

from hawser.lab.registers import Registers


def write(registers: Registers, value: int, ok: bool = True) -> None:
    registers.end_write(0, registers.begin_write(0, 1, value), ok)


def read(registers: Registers, value: int) -> str:
    return registers.end_read(0, registers.begin_read(), [value])


def test_the_last_acknowledged_value_is_read():
    registers = Registers(1)
    assert read(registers, 0) == ""
    write(registers, 1)
    assert read(registers, 1) == ""
    assert "0 is back" in read(registers, 0)
    assert "nobody wrote" in read(registers, 9)


def test_an_acknowledged_value_that_is_superseded_never_returns():
    registers = Registers(1)
    write(registers, 1)
    write(registers, 2)
    assert "1 is back" in read(registers, 1)


def test_a_failed_write_may_land_late_but_not_after_a_read_that_missed_it():
    registers = Registers(1)
    write(registers, 1, ok=False)
    write(registers, 2)
    assert read(registers, 1) == ""
    registers = Registers(1)
    write(registers, 1, ok=False)
    assert read(registers, 0) == ""
    assert "1 is back" in read(registers, 1)


def test_of_two_at_once_either_may_be_last_but_only_one():
    registers = Registers(1)
    first, second = registers.begin_write(0, 1, 1), registers.begin_write(0, 1, 2)
    registers.end_write(0, first, True)
    registers.end_write(0, second, True)
    assert read(registers, 1) == ""
    assert "2 is back" in read(registers, 2)


def test_a_read_beside_a_write_may_return_either_but_never_the_old_after_the_new():
    registers = Registers(1)
    writing = registers.begin_write(0, 1, 1)
    assert read(registers, 0) == ""
    assert read(registers, 1) == ""
    assert "0 is back" in read(registers, 0)
    registers.end_write(0, writing, True)
    assert read(registers, 1) == ""
