"""Names as dmsetup passes them to the kernel and shows them: mangling, and the parts of the names that LVM makes.

A name goes to the kernel mangled: what is not a letter, a digit or one of `#+-.:=@_` is written `\\xNN`, and shown as it was
meant. lvm2: mangle_string(), unmangle_string(), check_multiple_mangled_string_allowed() of libdm/libdm-common.c, and
dm_split_lvm_name() of libdm/libdm-string.c.
"""

import re
from typing import Final

# What `--manglename` may be: as it stands, `\\xNN` whatever it looks like, or (the default) unless it is mangled already.
NONE: Final = "none"
HEX: Final = "hex"
AUTO: Final = "auto"
MODES: Final = (NONE, HEX, AUTO)

# Linux: DM_NAME_LEN and DM_UUID_LEN, each with the zero at its end.
NAME_BYTES: Final = 128
UUID_BYTES: Final = 129
PLAIN: Final = b"#+-.:=@_"
_MANGLED: Final = re.compile(rb"\\x([0-9a-fA-F]{2})")
# A mangled backslash before an x: somebody has mangled a mangled name.
TWICE: Final = "\\x5cx"


class NameTextError(ValueError):
    """A name that cannot be mangled; the text is libdm's complaint."""


def check_mangled_once(text: str, what: str, mode: str) -> None:
    """NameTextError for what was mangled twice, which `auto` cannot tell from what is meant so."""
    if mode == AUTO and TWICE in text:
        raise NameTextError(
            f'The {what} "{text}" seems to be mangled more than once. This is not allowed in auto mode.'
        )


def mangle(text: str, what: str, mode: str, length_max: int = NAME_BYTES) -> str:
    """`text` as the kernel gets it; `length_max` are its bytes with a zero. NameTextError when it is half mangled, or too long.

    `none` is read as `auto` here: who wants a name as it stands does not ask.
    """
    data = text.encode("utf-8", "replace")
    out = bytearray()
    # Whether something of it is mangled already, and whether something has to be.
    was_mangled = False
    has_mangled = False
    place = 0
    while place < len(data):
        byte = data[place]
        step = 1
        if mode != HEX and data[place : place + 2] == b"\\x":
            if len(data) - place < 4 or has_mangled:
                raise _mixed(text, what)
            was_mangled = True
            piece = data[place : place + 4]
            step = 4
        elif _is_plain(byte):
            piece = data[place : place + 1]
        else:
            if was_mangled and mode != HEX:
                raise _mixed(text, what)
            has_mangled = True
            piece = f"\\x{byte:02x}".encode()
        if len(out) + len(piece) > length_max:
            raise _too_long(text, what)
        out += piece
        place += step
    if len(out) + 1 > length_max:
        raise _too_long(text, what)
    return out.decode("utf-8", "replace")


def _mixed(text: str, what: str) -> NameTextError:
    return NameTextError(
        f'The {what} "{text}" contains mixed mangled and unmangled characters or it\'s already mangled improperly.'
    )


def _too_long(text: str, what: str) -> NameTextError:
    return NameTextError(f'Mangled form of the {what} too long for "{text}".')


def _is_plain(byte: int) -> bool:
    return byte in PLAIN or (byte < 128 and chr(byte).isalnum())


def is_plain(text: str) -> bool:
    """Whether there is nothing in it that would have to be mangled."""
    return all(_is_plain(byte) for byte in text.encode("utf-8", "replace"))


def is_mangled(text: str) -> bool:
    """Whether there is nothing in it that would have to be mangled, but for backslashes."""
    return is_plain(text.replace("\\", ""))


def unmangle(text: str) -> str:
    """`text` as people meant it."""
    if "\\x" not in text:
        return text
    return _MANGLED.sub(_byte, text.encode("utf-8", "replace")).decode("utf-8", "replace")


def _byte(match: re.Match[bytes]) -> bytes:
    return bytes([int(match.group(1), 16)])


class SplitName:
    """The parts of a device's name: whose it is, and of LVM's the volume group, the volume and its layer."""

    def __init__(self, subsystem: str, name: str) -> None:
        self.subsystem = subsystem
        self.vg_name = ""
        self.lv_name = ""
        self.lv_layer = ""
        if subsystem == "LVM":
            self.vg_name, rest = _component(name)
            self.lv_name, rest = _component(rest)
            self.lv_layer, rest = _component(rest)


def split_device_name(name: str, uuid: str) -> SplitName:
    """Of a device: the subsystem is what stands before the first dash of its uuid."""
    before, dash, _ = uuid.partition("-")
    return SplitName(before if dash else "", name)


def _component(text: str) -> tuple[str, str]:
    """Up to a single dash, and what is behind it. Two dashes are one that is meant so, a last one is no separator."""
    part = ""
    place = 0
    while place < len(text):
        if text[place] == "-" and place + 1 < len(text):
            if text[place + 1] != "-":
                return part, text[place + 1 :]
            place += 1
        part += text[place]
        place += 1
    return part, ""
