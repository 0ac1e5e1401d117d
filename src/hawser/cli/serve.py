"""`hawser serve`: keep one disk alive over several paths and export it by NBD."""

import shlex
import shutil
from typing import Final

import click

from hawser.cli.policy_options import make_policy, policy_options
from hawser.core.units import GIB, parse_seconds_ns, parse_size
from hawser.exports.listen_uri import ListenError, parse_listen_uri
from hawser.paths.uri import UriError, parse_path_uri
from hawser.service.log import StderrLog
from hawser.service.options import OptionError, ProcessOptions, ServeOptions
from hawser.service.serve import leave, run

RETAIN_MAX: Final = 16 * GIB
BLOCK_MIN: Final = 512
BLOCK_MAX: Final = 1 << 16


@click.command()
@click.option("--path", "paths", multiple=True, required=True, metavar="URI", help="A path to the disk; repeat it.")
@click.option(
    "--listen", "listen", multiple=True, required=True, metavar="URI", help="Where clients connect; repeat it."
)
@click.option("--name", default="mpatha", show_default=True, help="The map's name.")
@click.option("--queue-mode", type=click.Choice(["rq", "bio", "mq"]), default="rq", show_default=True)
@click.option("--selector", default="service-time 0", show_default=True, help="Path selector and its arguments.")
@click.option(
    "--grouping", type=click.Choice(["failover", "multibus"]), help="Default: multibus where caches allow it."
)
@click.option(
    "--queue-timeout", default="60", show_default=True, metavar="SECONDS|forever", help="Wait without any path."
)
@click.option("--io-timeout", default="30", show_default=True, metavar="SECONDS", help="Give up on a command.")
@policy_options
@click.option(
    "--control", envvar="HAWSER_CONTROL", default="", metavar="SOCKET", help="Control socket ($HAWSER_CONTROL)."
)
@click.option(
    "--table", default="", metavar="LINE", help="A multipath table line instead of the one built from the options."
)
@click.option(
    "--scheduler",
    default="none",
    show_default=True,
    help="I/O scheduler of paths and of request-based maps: none, mq-deadline.",
)
@click.option(
    "--device", "devices", multiple=True, metavar="NAME=TABLE", help="Another mapped device, below the map or above it."
)
@click.option("--export", default="", metavar="NAME", help="The device that clients get. Default: the topmost.")
@click.option(
    "--retain",
    default="64M",
    show_default=True,
    metavar="SIZE",
    help="Keep so much of unflushed writes per path with cache=path, to write them again if its cache is lost; 0: nothing.",
)
@click.option(
    "--fence-agent",
    default="",
    metavar="COMMAND",
    help="Run COMMAND PATH REASON to cut off a path whose writes may still land; exit status 0 is the proof that they cannot.",
)
@click.option(
    "--state-dir",
    default="",
    metavar="DIR",
    help="Remember writes on their way, to fence them after a crash of hawser.",
)
@click.option(
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="As on a kernel's command line: dm_multipath.queue_if_no_path_timeout_secs=N, dm_multipath.semantics=6.12|6.16.",
)
@click.option(
    "--block-size",
    default="",
    metavar="SIZE",
    help="The smallest block that clients are told of, such as 4096, for paths that come later (hawser path add).",
)
@click.option("--read-only", is_flag=True)
@click.option("--insecure-listen", is_flag=True, help="Allow addresses that are not loopback, without encryption.")
@click.option(
    "--unsafe-no-fence", is_flag=True, help="Never for data: show what happens without fences (old writes come back)."
)
def serve(
    paths: tuple[str, ...],
    listen: tuple[str, ...],
    name: str,
    queue_mode: str,
    selector: str,
    grouping: str | None,
    queue_timeout: str,
    io_timeout: str,
    control: str,
    table: str,
    scheduler: str,
    devices: tuple[str, ...],
    export: str,
    retain: str,
    fence_agent: str,
    state_dir: str,
    parameters: tuple[str, ...],
    block_size: str,
    read_only: bool,
    insecure_listen: bool,
    unsafe_no_fence: bool,
    **watching: str,
) -> None:
    """Keep one disk alive over several paths and export it by NBD.

    \b
    Path URIs    /dev/sdb  file:///srv/a.img  nbd://host:10809/export  nbd+unix:///export?socket=/run/a.sock  ram:?size=1G
    attributes   cache=lun|path|none  quiesce=SECONDS  eof=drains  weight=N  depth=N  group=N  timeout=SECONDS
    Listen URIs  nbd+unix:///NAME?socket=PATH  nbd://127.0.0.1:10809/NAME
    """
    log = StderrLog()
    try:
        options = ServeOptions(
            [parse_path_uri(text) for text in paths],
            [parse_listen_uri(text, insecure_listen) for text in listen],
            name,
            queue_mode,
            selector,
            grouping or "",
            make_policy(_timeout_ns("--queue-timeout", queue_timeout, forever=True), **watching),
            _timeout_ns("--io-timeout", io_timeout, forever=False) or 0,
            table,
            read_only,
            scheduler,
            [parse_device(text) for text in devices],
            export,
            parse_retain(retain),
            unsafe_no_fence,
            state_dir,
            parse_block_size(block_size),
        )
        if options.io_timeout_ns == 0:
            raise OptionError("--io-timeout 0 would give up on every command at once")
        options.grouped()
        options.check_devices()
        process = ProcessOptions(control, parse_agent(fence_agent), list(parameters))
        process.check_parameters()
    except (UriError, ListenError, OptionError) as error:
        log.error(str(error))
        leave(2)
    leave(run(process, [options], None, log))


def parse_device(text: str) -> tuple[str, str]:
    """Name and table of a further device. OptionError when it is not both."""
    name, equals, table = text.partition("=")
    if not name or not equals or not table.strip():
        raise OptionError(f"--device {text!r}: is not NAME=TABLE, such as whole=0 2048 linear mpatha 0")
    return name, table


def parse_retain(text: str) -> int:
    """A number of bytes. OptionError when it is none, or more than there should be."""
    try:
        size = parse_size(text)
    except ValueError as error:
        raise OptionError(f"--retain: {error}") from None
    if size > RETAIN_MAX:
        raise OptionError(f"--retain {text}: is more than {RETAIN_MAX // GIB}G")
    return size


def parse_block_size(text: str) -> int:
    """A power of two from 512 to 64 KiB, or 0 for an empty text. OptionError when it is none."""
    if not text:
        return 0
    try:
        size = parse_size(text)
    except ValueError as error:
        raise OptionError(f"--block-size: {error}") from None
    if not BLOCK_MIN <= size <= BLOCK_MAX or size & (size - 1):
        raise OptionError(f"--block-size {text}: is no power of two from {BLOCK_MIN} to {BLOCK_MAX}")
    return size


def parse_agent(text: str) -> list[str]:
    """The words of a command. OptionError when they cannot be told apart, or there is no such program."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise OptionError(f"--fence-agent {text!r}: {error}") from None
    if words and shutil.which(words[0]) is None:
        raise OptionError(f"--fence-agent {text!r}: there is no program {words[0]!r}")
    return words


def _timeout_ns(option: str, text: str, forever: bool) -> int | None:
    if forever and text == "forever":
        return None
    try:
        return parse_seconds_ns(text)
    except ValueError as error:
        raise OptionError(f"{option}: {error}{', or forever' if forever else ''}") from None
