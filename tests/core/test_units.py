"""Sizes and times as people write them."""

import pytest

from hawser.core.units import GIB, KIB, MIB, format_size, is_number, parse_seconds_ns, parse_size, three_digits


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.25, "0.25"),
        (2, "2"),
        (12.34, "12.3"),
        (999, "999"),
        (999.6, "1,000"),
        (2514, "2,514"),
        (-1234567.0, "-1,234,567"),
    ],
)
def test_numbers_for_people_have_no_exponent(value: float, text: str):
    assert three_digits(value) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("512", 512), ("64k", 64 * KIB), ("64K", 64 * KIB), ("1M", MIB), ("2GiB", 2 * GIB), ("3gb", 3 * GIB)]
    + [("1T", 1024 * GIB), ("1P", GIB << 20), (" 4k ", 4 * KIB), ("7b", 7)],
)
def test_sizes(text: str, size: int):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "k", "1.5G", "-1", "1X", "1 G", "0x10", "1kk"])
def test_what_is_no_size_is_named(text: str):
    with pytest.raises(ValueError, match="is not a number of bytes"):
        parse_size(text)


@pytest.mark.parametrize(("text", "delay_ns"), [("0", 0), ("5", 5_000_000_000), ("0.25", 250_000_000), ("1e-9", 1)])
def test_seconds(text: str, delay_ns: int):
    assert parse_seconds_ns(text) == delay_ns


@pytest.mark.parametrize("text", ["", "soon", "-1", "nan", "inf", "1e10"])
def test_what_is_no_time_is_named(text: str):
    with pytest.raises(ValueError, match="is not a number of seconds"):
        parse_seconds_ns(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (512, "512B"),
        (KIB, "1.0K"),
        (10 * KIB, "10K"),
        (512 * MIB, "512M"),
        (GIB, "1.0G"),
        (GIB << 20, "1.0P"),
    ],
)
def test_sizes_for_people(size: int, text: str):
    assert format_size(size) == text


@pytest.mark.parametrize("word", ["0", "007", "18446744073709551615"])
def test_a_number_in_a_table(word: str):
    assert is_number(word)


@pytest.mark.parametrize("word", ["", "-1", "+1", "1.0", "0x1", " 1", "²", "٣", "9" * 21, "9" * 5000])
def test_what_is_no_number_in_a_table(word: str):
    assert not is_number(word)
