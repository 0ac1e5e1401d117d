"""Stamped blocks: what was written is recognised, and anything else is called by its name."""

import pytest

from hawser.service.demo_stamp import BLOCK, ZEROES, CorruptBlockError, make_block, read_stamp

RUN = 7


def test_a_block_says_which_write_it_is_from():
    block = make_block(RUN, 3, 41)
    assert len(block) == BLOCK
    assert read_stamp(RUN, 3, memoryview(block)) == 41


def test_two_writes_differ_all_over():
    one, two = make_block(RUN, 3, 1), make_block(RUN, 3, 2)
    assert sum(a != b for a, b in zip(one, two, strict=True)) > BLOCK // 2


def test_zeroes_are_stamp_0():
    assert read_stamp(RUN, 3, memoryview(ZEROES)) == 0


@pytest.mark.parametrize("at", [8, 20, 30, 32, 2000, BLOCK - 1])
def test_a_flipped_bit_is_found(at: int):
    block = bytearray(make_block(RUN, 3, 41))
    block[at] ^= 1
    with pytest.raises(CorruptBlockError, match="block 3 is altered"):
        read_stamp(RUN, 3, memoryview(block))


def test_half_a_block_of_another_write_is_found():
    torn = make_block(RUN, 3, 41)[: BLOCK // 2] + make_block(RUN, 3, 42)[BLOCK // 2 :]
    with pytest.raises(CorruptBlockError, match="altered"):
        read_stamp(RUN, 3, memoryview(torn))


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        (make_block(RUN, 4, 41), "block 3 holds the data of block 4"),
        (make_block(RUN + 1, 3, 41), "block 3 holds data of another run"),
        (b"\1" + bytes(BLOCK - 1), "block 3 is neither stamped nor zero"),
        (bytes(BLOCK - 1) + b"\1", "block 3 is neither stamped nor zero"),
    ],
)
def test_a_block_of_somebody_elses_is_found(block: bytes, complaint: str):
    with pytest.raises(CorruptBlockError, match=complaint):
        read_stamp(RUN, 3, memoryview(block))
