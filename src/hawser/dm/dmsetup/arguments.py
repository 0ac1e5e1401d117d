"""The command line of dmsetup, read as getopt_long(3) reads it: options may stand anywhere, long ones may be cut short.

Options that dmsetup knows and that mean nothing here (udev, say) are read and ignored. The complaints are glibc's.
"""

import re
from typing import Final

PROGRAM: Final = "dmsetup"

# In the order in which getopt_long() lists them when a short form could be several. True: it takes an argument.
LONG: Final[dict[str, bool]] = {
    "readonly": False,
    "alias": True,
    "alldevices": False,
    "allprograms": False,
    "allregions": False,
    "area": False,
    "areas": True,
    "areasize": True,
    "bounds": True,
    "checks": False,
    "clear": False,
    "columns": False,
    "concise": False,
    "count": True,
    "deferred": False,
    "select": True,
    "exec": True,
    "filemap": False,
    "follow": True,
    "force": False,
    "foreground": False,
    "gid": True,
    "group": False,
    "groupid": True,
    "help": False,
    "histogram": False,
    "inactive": False,
    "interval": True,
    "length": True,
    "manglename": True,
    "major": True,
    "minor": True,
    "mode": True,
    "nameprefixes": False,
    "nogroup": False,
    "noflush": False,
    "noheadings": False,
    "nolockfs": False,
    "noopencount": False,
    "nosuffix": False,
    "notable": False,
    "notimesuffix": False,
    "udevcookie": True,
    "nomonitor": False,
    "noudevrules": False,
    "noudevsync": False,
    "options": True,
    "precise": False,
    "programid": True,
    "raw": False,
    "readahead": True,
    "region": False,
    "regions": True,
    "regionid": True,
    "relative": False,
    "retry": False,
    "rows": False,
    "segments": False,
    "separator": True,
    "setuuid": False,
    "showkeys": False,
    "sort": True,
    "start": True,
    "table": True,
    "target": True,
    "tree": False,
    "uid": True,
    "units": True,
    "uuid": True,
    "unbuffered": False,
    "unquoted": False,
    "userdata": True,
    "verbose": True,
    "verifyudev": False,
    "version": False,
    "yes": False,
    "addnodeonresume": False,
    "addnodeoncreate": False,
}

SHORT: Final[dict[str, str]] = {
    "c": "columns",
    "C": "columns",
    "f": "force",
    "G": "gid",
    "h": "help",
    "j": "major",
    "m": "minor",
    "M": "mode",
    "n": "notable",
    "o": "options",
    "O": "sort",
    "r": "readonly",
    "S": "select",
    "u": "uuid",
    "U": "uid",
    "v": "verbose",
    "y": "yes",
}
# Where the short form takes an argument and the long one does not, or the other way round.
SHORT_WITHOUT: Final = ("v",)

# More digits than any number that means something has.
DIGITS_MAX: Final = 1000
INT_MAX: Final = (1 << 31) - 1
UINT_MAX: Final = (1 << 32) - 1
LONG_MAX: Final = (1 << 63) - 1
MODES: Final = ("none", "auto", "hex")
_COOKIE: Final = re.compile(r"\s*([+-]?)(0[xX][0-9a-fA-F]+|[0-9]+)", re.ASCII)
_OCTAL: Final = re.compile(r"\s*[+-]?[0-7]+", re.ASCII)


class UsageError(ValueError):
    """A command line that cannot be used; the text is the complaint, perhaps of several lines."""


class Arguments:
    """`words` are the verb and what follows it, `options` the options that were given (by long name) with their last argument.

    `warnings` are complaints that stop nothing; `cookie` is that of `--udevcookie`, 0 if there is none.
    """

    def __init__(self) -> None:
        self.words: list[str] = []
        self.options: dict[str, str] = {}
        self.warnings: list[str] = []
        self.cookie = 0

    def has(self, option: str) -> bool:
        return option in self.options

    def value(self, option: str) -> str:
        """The argument of an option, or an empty string."""
        return self.options.get(option, "")

    def give(self, option: str, value: str) -> None:
        """Note an option. UsageError when its argument cannot be used."""
        self.options[option] = value
        if option == "udevcookie":
            self.cookie = cookie_value(value)
            if not self.cookie:
                self.warnings.append(BAD_COOKIE)
            return
        complaint = _complaint_about(option, value)
        if complaint:
            raise UsageError(complaint)

    def number(self, option: str) -> int:
        """The argument of an option as atoi(3) reads it."""
        return leading_number(self.value(option))


def parse_arguments(argv: list[str]) -> Arguments:
    """Read what follows the program's name. UsageError when it cannot be used."""
    arguments = Arguments()
    place = 0
    while place < len(argv):
        word = argv[place]
        place += 1
        if word == "--":
            arguments.words += argv[place:]
            break
        if word.startswith("--"):
            place = _long(arguments, word[2:], argv, place)
        elif word.startswith("-") and len(word) > 1:
            place = _short(arguments, word[1:], argv, place)
        else:
            arguments.words.append(word)
    _check(arguments)
    return arguments


def _long(arguments: Arguments, word: str, argv: list[str], place: int) -> int:
    given, equals, value = word.partition("=")
    name = _complete(given)
    if not LONG[name]:
        if equals:
            raise UsageError(f"{PROGRAM}: option '--{name}' doesn't allow an argument")
        arguments.give(name, "")
        return place
    if equals:
        arguments.give(name, value)
        return place
    if place == len(argv):
        raise UsageError(f"{PROGRAM}: option '--{name}' requires an argument")
    arguments.give(name, argv[place])
    return place + 1


def _complete(given: str) -> str:
    """The long option that `given` is, or begins."""
    if given in LONG:
        return given
    found = [name for name in LONG if name.startswith(given)]
    if not found:
        raise UsageError(f"{PROGRAM}: unrecognized option '--{given}'")
    if len(found) > 1:
        listed = " ".join(f"'--{name}'" for name in found)
        raise UsageError(f"{PROGRAM}: option '--{given}' is ambiguous; possibilities: {listed}")
    return found[0]


def _short(arguments: Arguments, letters: str, argv: list[str], place: int) -> int:
    """One or several letters; the rest of the word, or the next word, is the argument of one that takes an argument."""
    number = 0
    while number < len(letters):
        letter = letters[number]
        number += 1
        if letter not in SHORT:
            raise UsageError(f"{PROGRAM}: invalid option -- '{letter}'")
        name = SHORT[letter]
        if not LONG[name] or letter in SHORT_WITHOUT:
            arguments.give(name, "")
            continue
        if number < len(letters):
            arguments.give(name, letters[number:])
            return place
        if place == len(argv):
            raise UsageError(f"{PROGRAM}: option requires an argument -- '{letter}'")
        arguments.give(name, argv[place])
        return place + 1
    return place


def _complaint_about(option: str, value: str) -> str:
    """What is wrong with the argument of an option, or an empty string."""
    if option == "count" and leading_number(value) < 0:
        return "Count must be zero or greater."
    if option == "interval" and leading_number(value) <= 0:
        return "Interval must be a positive integer."
    if option == "manglename" and value.lower() not in MODES:
        return "Unknown name mangling mode."
    if option == "mode" and (_OCTAL.fullmatch(value) is None or int(value, 8) == 0):
        return f"Invalid argument for --mode: {value}. "
    if option == "readahead" and value.lower() not in ("auto", "none") and leading_number(value) < -1:
        return f"Negative read ahead value ({leading_number(value)}) is not understood."
    return ""


BAD_COOKIE: Final = "Incorrect cookie value."


def cookie_value(text: str) -> int:
    """A cookie as strtoul(3) reads it, in any base; 0 when it is none."""
    match = _COOKIE.fullmatch(text)
    if match is None or len(text) > DIGITS_MAX:
        return 0
    sign, digits = match.group(1), match.group(2)
    if digits.lower().startswith("0x"):
        value = int(digits, 16)
    elif digits.startswith("0"):
        if any(digit in "89" for digit in digits):
            return 0
        value = int(digits, 8)
    else:
        value = int(digits)
    return value if value <= UINT_MAX and sign != "-" else 0


def _check(arguments: Arguments) -> None:
    if arguments.has("major") != arguments.has("minor"):
        raise UsageError("Please specify both major number and minor number.")
    if arguments.has("table") and arguments.has("notable"):
        raise UsageError("--table and --notable are incompatible.")
    if arguments.has("addnodeonresume") and arguments.has("addnodeoncreate"):
        raise UsageError("--addnodeonresume and --addnodeoncreate are incompatible.")


def leading_number(text: str) -> int:
    """The decimal number that `text` begins with, 0 when there is none, in 32 bits. C: atoi(3)."""
    text = text.lstrip()
    sign = -1 if text.startswith("-") else 1
    digits = text[1:] if text[:1] in ("+", "-") else text
    end = 0
    while end < len(digits) and digits[end].isascii() and digits[end].isdigit():
        end += 1
    number = sign * int(digits[: min(end, DIGITS_MAX)]) if end else 0
    number = max(-LONG_MAX - 1, min(number, LONG_MAX)) & UINT_MAX
    return number - UINT_MAX - 1 if number > INT_MAX else number
