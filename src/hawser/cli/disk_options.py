"""From words to options: what a user wrote about one disk, on the command line or in a file, checked.

Errors name the option as it is written in that place: `prefix` is what stands before its name, `--` or nothing.
"""

import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hawser import plugins
from hawser.cli.policy_options import make_policy
from hawser.core.units import GIB, parse_seconds_ns, parse_size
from hawser.exports.listen_uri import parse_listen_uri
from hawser.paths.uri import parse_path_uri
from hawser.service.options import OptionError, ProcessOptions, ServeOptions

RETAIN_MAX: Final = 16 * GIB
BLOCK_MIN: Final = 512
BLOCK_MAX: Final = 1 << 16
DASHES: Final = "--"


@dataclass(frozen=True)
class DiskWords:
    """The options of one disk, by the names that click gives them."""

    paths: Sequence[str]
    listen: Sequence[str]
    queue_mode: str
    selector: str
    grouping: str | None
    queue_timeout: str
    io_timeout: str
    slow_path_factor: str
    slow_path_after: str
    double_failed_time: str
    keepalive: str
    hedge_after: str
    table: str
    scheduler: str
    devices: Sequence[str]
    export: str
    retain: str
    state_dir: str
    block_size: str
    read_only: bool
    unsafe_no_fence: bool


@dataclass(frozen=True)
class ProcessWords:
    """The options of the process."""

    control: str
    fence_agent: str
    parameters: Sequence[str]
    insecure_listen: bool


def check_disk(words: DiskWords, name: str, insecure_listen: bool, prefix: str = DASHES) -> ServeOptions:
    """UriError, ListenError or OptionError say what is wrong."""
    plugins.offer()
    paths = [parse_path_uri(text) for text in words.paths]
    listen = [parse_listen_uri(text, insecure_listen, f"{prefix}insecure-listen") for text in words.listen]
    policy = make_policy(
        _timeout_ns(f"{prefix}queue-timeout", words.queue_timeout, forever=True),
        words.slow_path_factor,
        words.slow_path_after,
        words.double_failed_time,
        words.keepalive,
        words.hedge_after,
        prefix,
    )
    options = ServeOptions(
        paths,
        listen,
        name,
        words.queue_mode,
        words.selector,
        words.grouping or "",
        policy,
        _timeout_ns(f"{prefix}io-timeout", words.io_timeout, forever=False) or 0,
        words.table,
        words.read_only,
        words.scheduler,
        [parse_device(text, prefix) for text in words.devices],
        words.export,
        parse_retain(words.retain, prefix),
        words.unsafe_no_fence,
        words.state_dir,
        parse_block_size(words.block_size, prefix),
    )
    if options.io_timeout_ns == 0:
        raise OptionError(f"{prefix}io-timeout 0 would give up on every command at once")
    options.grouped()
    options.check_devices(prefix)
    return options


def check_process(words: ProcessWords, prefix: str = DASHES) -> ProcessOptions:
    """OptionError says what is wrong."""
    options = ProcessOptions(words.control, parse_agent(words.fence_agent, prefix), list(words.parameters))
    options.check_parameters(prefix)
    return options


def parse_device(text: str, prefix: str = DASHES) -> tuple[str, str]:
    """Name and table of a further device. OptionError when it is not both."""
    name, equals, table = text.partition("=")
    if not name or not equals or not table.strip():
        raise OptionError(f"{prefix}device {text!r}: is not NAME=TABLE, such as whole=0 2048 linear mpatha 0")
    return name, table


def parse_retain(text: str, prefix: str = DASHES) -> int:
    """A number of bytes. OptionError when it is none, or more than there should be."""
    try:
        size = parse_size(text)
    except ValueError as error:
        raise OptionError(f"{prefix}retain: {error}") from None
    if size > RETAIN_MAX:
        raise OptionError(f"{prefix}retain {text}: is more than {RETAIN_MAX // GIB}G")
    return size


def parse_block_size(text: str, prefix: str = DASHES) -> int:
    """A power of two from 512 to 64 KiB, or 0 for an empty text. OptionError when it is none."""
    if not text:
        return 0
    try:
        size = parse_size(text)
    except ValueError as error:
        raise OptionError(f"{prefix}block-size: {error}") from None
    if not BLOCK_MIN <= size <= BLOCK_MAX or size & (size - 1):
        raise OptionError(f"{prefix}block-size {text}: is no power of two from {BLOCK_MIN} to {BLOCK_MAX}")
    return size


def parse_agent(text: str, prefix: str = DASHES) -> list[str]:
    """The words of a command. OptionError when they cannot be told apart, or there is no such program."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise OptionError(f"{prefix}fence-agent {text!r}: {error}") from None
    if words and shutil.which(words[0]) is None:
        raise OptionError(f"{prefix}fence-agent {text!r}: there is no program {words[0]!r}")
    return words


def _timeout_ns(option: str, text: str, forever: bool) -> int | None:
    if forever and text == "forever":
        return None
    try:
        return parse_seconds_ns(text)
    except ValueError as error:
        raise OptionError(f"{option}: {error}{', or forever' if forever else ''}") from None
