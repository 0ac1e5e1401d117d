"""The file of `hawser serve --config`: several disks for one process, in TOML.

    control = "/run/hawser.ctl"            # what belongs to the process: control, fence-agent, parameter, insecure-listen

    [disk.mpatha]                          # a disk, by the name of its map: all other options, as on the command line
    path = ["/dev/sdb", "/dev/sdc"]
    listen = ["nbd+unix:///a?socket=/run/hawser.sock"]

Keys are the long options of the command line, with the same words and defaults: what is repeated there is a list here, a flag is
true or false, and a number may be written as one. Nothing is guessed: what is unknown, of another kind, or two disks' is refused.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import click

from hawser.cli.disk_options import DiskWords, ProcessWords, check_disk, check_process
from hawser.core.units import MIB
from hawser.exports.listen_uri import ListenError
from hawser.paths.uri import UriError
from hawser.service.apart import check_apart
from hawser.service.gateways import DISKS_MAX
from hawser.service.options import OptionError, ProcessOptions, ServeOptions

FILE_MAX: Final = MIB
DISKS: Final = "disk"
# Options whose value may be a number, by what stands for it in the help text.
_NUMBERS: Final = ("SECONDS", "MS", "N", "SIZE")
# What a disk cannot be without.
_NEEDED: Final = ("path", "listen")


class ConfigError(OptionError):
    """The message names the file, the disk and the key, and says what would be right."""


@dataclass(frozen=True)
class _Keys:
    """The options that may stand in one place, by their keys."""

    options: dict[str, click.Option]
    elsewhere: dict[str, str]

    def check(self, key: str) -> click.Option:
        """ConfigError when there is no such key."""
        option = self.options.get(key)
        if option is not None:
            return option
        if key in self.elsewhere:
            raise ConfigError(f"{key}: {self.elsewhere[key]}")
        near = get_close_matches(key, self.options, 1)
        known = f"the nearest is {near[0]}" if near else f"there are {', '.join(sorted(self.options))}"
        raise ConfigError(f"{key}: unknown key; {known}")


def read_config(
    file: Path, options: Sequence[click.Option], control: str = ""
) -> tuple[ProcessOptions, list[ServeOptions]]:
    """What the file asks for. `options` are those of `hawser serve`; `control` counts if the file names none. ConfigError."""
    try:
        return _Reader(options).read(_load(file), control)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None


def _load(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            data = opened.read(FILE_MAX + 1)
        if len(data) > FILE_MAX:
            raise ConfigError(f"has more than {FILE_MAX // MIB} MiB")
        return tomllib.loads(data.decode())
    except OSError as error:
        raise ConfigError(error.strerror or str(error)) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8: {error.reason} at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"is not TOML: {error}") from None


class _Reader:
    def __init__(self, options: Sequence[click.Option]) -> None:
        of_process = [field.name for field in fields(ProcessWords)]
        of_disk = [field.name for field in fields(DiskWords)]
        process = {_key(option): option for option in options if option.name in of_process}
        disk = {_key(option): option for option in options if option.name in of_disk}
        first = f"belongs to the process: at the top of the file, before the first [{DISKS}.NAME]"
        own = f"belongs to a disk: below its [{DISKS}.NAME]"
        name = f"a map has the name of its table: [{DISKS}.NAME]"
        self._process = _Keys(process, {**dict.fromkeys(disk, own), "name": name})
        self._disk = _Keys(disk, {**dict.fromkeys(process, first), "name": name})

    def read(self, values: dict[str, Any], control: str) -> tuple[ProcessOptions, list[ServeOptions]]:
        tables = values.pop(DISKS, None)
        process = ProcessWords(**_words(self._process, values))
        if tables is None:
            raise ConfigError(f"there is no disk in it: [{DISKS}.NAME], with {' and '.join(_NEEDED)}")
        if not isinstance(tables, dict) or not tables:
            raise ConfigError(f"{DISKS}: is no table of disks: [{DISKS}.NAME], with {' and '.join(_NEEDED)}")
        if len(tables) > DISKS_MAX:
            raise ConfigError(f"there are {len(tables)} disks; at most {DISKS_MAX} are served by one process")
        disks = [self._read_disk(name, table, process.insecure_listen) for name, table in tables.items()]
        try:
            check_apart(disks)
            whole = check_process(process, "")
        except OptionError as error:
            raise ConfigError(str(error)) from None
        return (whole if whole.control else ProcessOptions(control, whole.fence_agent, whole.parameters)), disks

    def _read_disk(self, name: str, table: object, insecure_listen: bool) -> ServeOptions:
        try:
            if not isinstance(table, dict):
                raise ConfigError(f"is no table: a disk is [{DISKS}.NAME], with {' and '.join(_NEEDED)}")
            words = _words(self._disk, table)
            for key in _NEEDED:
                if not table.get(key):
                    raise ConfigError(f'{key}: is missing: {key} = ["URI", ...]')
            return check_disk(DiskWords(**words), name, insecure_listen, "")
        except (UriError, ListenError, OptionError) as error:
            raise ConfigError(f"[{DISKS}.{name}] {error}") from None


def _key(option: click.Option) -> str:
    return option.opts[0].removeprefix("--")


def _words(keys: _Keys, values: dict[str, Any]) -> dict[str, Any]:
    """The words of all options by the names that click gives them: as the file has them, or as they are without."""
    words: dict[str, Any] = {}
    for option in keys.options.values():
        default = option.default if isinstance(option.default, str) else None
        words[option.name or ""] = [] if option.multiple else False if option.is_flag else default
    for key, value in values.items():
        option = keys.check(key)
        words[option.name or ""] = _word(key, option, value)
    return words


def _word(key: str, option: click.Option, value: object) -> bool | str | list[str]:
    """One option's value, of the kind that it has. ConfigError."""
    if option.is_flag:
        if not isinstance(value, bool):
            raise ConfigError(f"{key}: is true or false, not {_shown(value)}")
        return value
    if option.multiple:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise ConfigError(f'{key}: is a list of texts, {key} = ["{option.metavar}", ...], not {_shown(value)}')
        return value
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and (option.metavar or "").split("|")[0] in _NUMBERS:
        value = str(value)
    if not isinstance(value, str):
        raise ConfigError(f"{key}: is a text in quotes, not {_shown(value)}")
    if isinstance(option.type, click.Choice) and value not in option.type.choices:
        raise ConfigError(f"{key}: is one of {', '.join(option.type.choices)}, not {_shown(value)}")
    return value


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list" if all(isinstance(each, str) for each in value) else "a list with something else in it"
    return repr(value)
