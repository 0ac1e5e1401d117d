"""The features of a `flakey` line: read, checked and printed as Linux does (parse_features() in drivers/md/dm-flakey.c)."""

from dataclasses import dataclass
from typing import Final

from hawser.dm.arguments import UINT_MAX, Arguments
from hawser.dm.target import TableError

PROBABILITY_BASE: Final = 1_000_000_000
FEATURE_WORDS_MAX: Final = 11


@dataclass
class Features:
    """`corrupt_byte` counts from 1; 0: none. Without a direction it is that of reads."""

    error_reads: bool = False
    drop_writes: bool = False
    error_writes: bool = False
    corrupt_byte: int = 0
    corrupts_writes: bool = False
    corrupt_value: int = 0
    corrupt_flags: int = 0
    random_read_corrupt: int = 0
    random_write_corrupt: int = 0

    def corrupts(self, flags: int, is_write: bool) -> bool:
        """Whether `corrupt_bio_byte` applies to a bio with these of the kernel's flags."""
        if not self.corrupt_byte or self.corrupts_writes != is_write:
            return False
        return flags & self.corrupt_flags == self.corrupt_flags

    def words(self) -> list[str]:
        found: list[str] = []
        for name, is_set in (
            ("error_reads", self.error_reads),
            ("drop_writes", self.drop_writes),
            ("error_writes", self.error_writes),
        ):
            if is_set:
                found.append(name)
        if self.corrupt_byte:
            direction = "w" if self.corrupts_writes else "r"
            found += ["corrupt_bio_byte", str(self.corrupt_byte), direction]
            found += [str(self.corrupt_value), str(self.corrupt_flags)]
        if self.random_read_corrupt:
            found += ["random_read_corrupt", str(self.random_read_corrupt)]
        if self.random_write_corrupt:
            found += ["random_write_corrupt", str(self.random_write_corrupt)]
        return found


def parse_features(arguments: Arguments) -> Features:
    """The rest of the line; what follows the counted words is passed over. With no feature everything fails."""
    features = Features()
    left = 0
    if arguments.left():
        left = arguments.read_group(0, FEATURE_WORDS_MAX, "Invalid number of feature args")
    while left:
        name = arguments.shift()
        if name is None:
            raise TableError("Insufficient feature arguments")
        # A feature whose words go beyond the count is read all the same, and then the count is never met.
        left -= 1 + _read_feature(name.lower(), left - 1, arguments, features)
    _check(features)
    if not features.words():
        features.error_reads = True
        features.error_writes = True
    return features


def _read_feature(name: str, left: int, arguments: Arguments, features: Features) -> int:
    """One feature, when `left` words should follow it. How many it has taken."""
    if name == "error_reads":
        _refuse_twice(name, features.error_reads)
        features.error_reads = True
        return 0
    if name == "drop_writes":
        _refuse_twice(name, features.drop_writes)
        _refuse_both(name, "error_writes", features.error_writes)
        features.drop_writes = True
        return 0
    if name == "error_writes":
        _refuse_twice(name, features.error_writes)
        _refuse_both(name, "drop_writes", features.drop_writes)
        features.error_writes = True
        return 0
    if name == "corrupt_bio_byte":
        if not left:
            raise TableError("Feature corrupt_bio_byte requires parameters")
        _read_corrupt_byte(arguments, features)
        return 4
    if name in ("random_read_corrupt", "random_write_corrupt"):
        if not left:
            raise TableError(f"Feature {name} requires a parameter")
        probability = arguments.read(0, PROBABILITY_BASE, "Invalid random corrupt argument")
        if name == "random_read_corrupt":
            features.random_read_corrupt = probability
        else:
            features.random_write_corrupt = probability
        return 1
    raise TableError("Unrecognised flakey feature requested")


def _refuse_twice(name: str, is_set: bool) -> None:
    if is_set:
        raise TableError(f"Feature {name} duplicated")


def _refuse_both(name: str, other: str, is_set: bool) -> None:
    if is_set:
        raise TableError(f"Feature {name} conflicts with feature {other}")


def _read_corrupt_byte(arguments: Arguments, features: Features) -> None:
    features.corrupt_byte = arguments.read(1, UINT_MAX, "Invalid corrupt bio byte")
    direction = arguments.shift()
    if direction is None or direction.lower() not in ("r", "w"):
        raise TableError("Invalid corrupt bio direction (r or w)")
    features.corrupts_writes = direction.lower() == "w"
    features.corrupt_value = arguments.read(0, 255, "Invalid corrupt value to write into bio byte (0-255)")
    features.corrupt_flags = arguments.read(0, UINT_MAX, "Invalid corrupt bio flags mask")


def _check(features: Features) -> None:
    if features.corrupts_writes:
        for name, is_set in (("drop_writes", features.drop_writes), ("error_writes", features.error_writes)):
            if is_set:
                raise TableError(f"{name} is incompatible with corrupt_bio_byte with the WRITE flag set")
