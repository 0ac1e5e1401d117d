"""`hawser serve`: keep a disk alive over several paths and export it by NBD; or several disks, from a file."""

from pathlib import Path
from typing import Any, NoReturn

import click
from click.core import ParameterSource

from hawser.cli.config_file import read_config
from hawser.cli.disk_options import DiskWords, ProcessWords, check_disk, check_process
from hawser.cli.policy_options import policy_options
from hawser.exports.addresses import Addresses
from hawser.exports.listen_uri import ListenError
from hawser.paths.uri import UriError
from hawser.service.log import StderrLog
from hawser.service.options import OptionError
from hawser.service.serve import leave, run


@click.command()
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Serve the disks that FILE (TOML) describes, instead of one that options describe: see above.",
)
@click.option("--path", "paths", multiple=True, metavar="URI", help="A path to the disk; repeat it.  [required]")
@click.option("--listen", "listen", multiple=True, metavar="URI", help="Where clients connect; repeat it.  [required]")
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
    config: Path | None,
    name: str,
    control: str,
    fence_agent: str,
    parameters: tuple[str, ...],
    insecure_listen: bool,
    **disk: Any,
) -> None:
    """Keep disks alive over several paths each, and export them by NBD.

    \b
    Path URIs    /dev/sdb  file:///srv/a.img  nbd://host:10809/export  nbd+unix:///export?socket=/run/a.sock  ram:?size=1G
    attributes   cache=lun|path|none  quiesce=SECONDS  eof=drains  weight=N  depth=N  group=N  timeout=SECONDS
    Listen URIs  nbd+unix:///NAME?socket=PATH  nbd://127.0.0.1:10809/NAME

    Several disks are served by one process from a file, whose keys are the options of the command line. Those of the process
    (control, fence-agent, parameter, insecure-listen) stand first; the name of a disk's table is that of its map:

    \b
        control = "/run/hawser.ctl"
        [disk.mpatha]
        path = ["/dev/sdb", "/dev/sdc"]
        listen = ["nbd+unix:///a?socket=/run/hawser.sock"]
        [disk.mpathb]
        path = ["nbd://10.0.0.1/b?cache=lun", "nbd://10.0.0.2/b?cache=lun"]
        listen = ["nbd+unix:///b?socket=/run/hawser.sock"]
        queue-timeout = "forever"
        state-dir = "/var/lib/hawser/b"
    """
    process = ProcessWords(control, fence_agent, parameters, insecure_listen)
    words = DiskWords(**disk)
    ctx = click.get_current_context()
    if config is not None:
        _serve_config(ctx, config, process)
    for parameter in ctx.command.params:
        if (parameter.name == "paths" and not words.paths) or (parameter.name == "listen" and not words.listen):
            raise click.MissingParameter(ctx=ctx, param=parameter)
    log = StderrLog()
    try:
        options = check_disk(words, name, insecure_listen)
        whole = check_process(process)
    except (UriError, ListenError, OptionError) as error:
        log.error(str(error))
        leave(2)
    leave(run(whole, [options], None, log))


def _serve_config(ctx: click.Context, config: Path, environment: ProcessWords) -> NoReturn:
    log = StderrLog()
    try:
        for parameter in ctx.command.params:
            given = ctx.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
            if given and parameter.name != "config":
                raise OptionError(f"--config {config}: {parameter.opts[0]} belongs into the file then")
        options = [parameter for parameter in ctx.command.params if isinstance(parameter, click.Option)]
        process, disks = read_config(config, options, environment.control)
    except OptionError as error:
        log.error(str(error))
        leave(2)
    leave(run(process, disks, Addresses(), log))
