"""The verbs about udev. There is none here, nor are there its semaphores: what dmsetup says on a machine without udev is said.

lvm2: _udevflags(), _udevcomplete(), _udevcookies() and their neighbours in libdm/dm-tools/dmsetup.c. A cookie is 32 bits: flags
in the upper half, for udev's rules, and the key of a semaphore in the lower.
"""

import re
from typing import Final

from hawser.dm.dmsetup.arguments import BAD_COOKIE, cookie_value, leading_number
from hawser.dm.dmsetup.call import Call

FLAGS_SHIFT: Final = 16
# Libdm's: DM_COOKIE_MAGIC.
MAGIC: Final = 0x0D4D
FLAG_NAMES: Final = (
    "DISABLE_DM_RULES",
    "DISABLE_SUBSYSTEM_RULES",
    "DISABLE_DISK_RULES",
    "DISABLE_OTHER_RULES",
    "LOW_PRIORITY",
    "DISABLE_LIBRARY_FALLBACK",
    "PRIMARY_SOURCE",
)
FLAGS_OF_DM: Final = 8
_NUMBER: Final = re.compile(r"\s*[+-]?[0-9]", re.ASCII)


def flags(call: Call, words: list[str]) -> bool:
    """What the flags in a cookie mean."""
    cookie = cookie_value(words[0])
    if not cookie:
        return call.complain(BAD_COOKIE)
    for bit in range(FLAGS_SHIFT):
        if not cookie >> FLAGS_SHIFT & 1 << bit:
            continue
        if bit < len(FLAG_NAMES):
            call.put(f"DM_UDEV_{FLAG_NAMES[bit]}_FLAG='1'")
        elif bit < FLAGS_OF_DM:
            call.put(f"DM_UDEV_FLAG{bit}='1'")
        else:
            call.put(f"DM_SUBSYSTEM_UDEV_FLAG{bit - FLAGS_OF_DM}='1'")
    return True


def complete(call: Call, words: list[str]) -> bool:
    cookie = cookie_value(words[0])
    if not cookie:
        return call.complain(BAD_COOKIE)
    call.put(f"DM_COOKIE_COMPLETED=0x{cookie:<10x}")
    return True


def create_cookie(call: Call, words: list[str]) -> bool:
    """Nobody would wait for it."""
    return True


def release_cookie(call: Call, words: list[str]) -> bool:
    if words:
        return cookie_value(words[0]) != 0 or call.complain(BAD_COOKIE)
    return call.arguments.cookie != 0 or call.complain("No udev transaction cookie given.")


def cookies(call: Call, words: list[str]) -> bool:
    call.put("Cookie       Semid      Value      Last semop time           Last change time")
    return True


def complete_all(call: Call, words: list[str]) -> bool:
    """Ask first, unless `--yes` says so."""
    age = 0
    if words:
        if _NUMBER.match(words[0]) is None:
            return call.complain("Failed to read age_in_minutes parameter.")
        age = leading_number(words[0])
    key = f"{MAGIC} (0x{MAGIC:x})"
    if not call.has("yes"):
        older = f"older than {age} minutes " if age else ""
        call.complain(f"WARNING: This operation will destroy all semaphores {older}with keys that have a prefix {key}.")
        if not _says_yes(call):
            call.put(f"Semaphores with keys prefixed by {key} NOT destroyed.")
            return True
    call.put(f"0 semaphores with keys prefixed by {key} destroyed. 0 skipped.")
    return True


def _says_yes(call: Call) -> bool:
    """The last y or n of the first line that has one; asked again after each other line. Without an answer: no."""
    answer = ""
    call.out.append("Do you really want to continue? [y/n]: ")
    for letter in call.stdin.lower():
        if letter in "yn":
            answer = letter
        elif letter == "\n":
            if answer:
                return answer == "y"
            call.out.append("Do you really want to continue? [y/n]: ")
    call.put("")
    return False
