"""The command line of dmsetup, read as getopt_long(3) reads it: options may stand anywhere, long ones may be cut short.

Options that dmsetup knows and that mean nothing here (udev, say) are read and ignored. The complaints are glibc's.
"""

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

NUMBERS: Final = ("major", "minor")
# More digits than any number that means something has.
DIGITS_MAX: Final = 1000


class UsageError(ValueError):
    """A command line that cannot be used; the text is the complaint, perhaps of several lines."""


class Arguments:
    """`words` are the verb and what follows it, `options` the options that were given (by long name) with their last argument."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.options: dict[str, str] = {}

    def has(self, option: str) -> bool:
        return option in self.options

    def value(self, option: str) -> str:
        """The argument of an option, or an empty string."""
        return self.options.get(option, "")

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
        arguments.options[name] = ""
        return place
    if equals:
        arguments.options[name] = value
        return place
    if place == len(argv):
        raise UsageError(f"{PROGRAM}: option '--{name}' requires an argument")
    arguments.options[name] = argv[place]
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
            arguments.options[name] = ""
            continue
        if number < len(letters):
            arguments.options[name] = letters[number:]
            return place
        if place == len(argv):
            raise UsageError(f"{PROGRAM}: option requires an argument -- '{letter}'")
        arguments.options[name] = argv[place]
        return place + 1
    return place


def _check(arguments: Arguments) -> None:
    if arguments.has("major") != arguments.has("minor"):
        raise UsageError("Please specify both major number and minor number.")
    if arguments.has("table") and arguments.has("notable"):
        raise UsageError("--table and --notable are incompatible.")
    if arguments.has("addnodeonresume") and arguments.has("addnodeoncreate"):
        raise UsageError("--addnodeonresume and --addnodeoncreate are incompatible.")


def leading_number(text: str) -> int:
    """The decimal number that `text` begins with, 0 when there is none. C: atoi(3)."""
    text = text.lstrip()
    sign = -1 if text.startswith("-") else 1
    digits = text[1:] if text[:1] in ("+", "-") else text
    end = 0
    while end < len(digits) and digits[end].isascii() and digits[end].isdigit():
        end += 1
    return sign * int(digits[: min(end, DIGITS_MAX)]) if end else 0
