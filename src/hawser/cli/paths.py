"""`hawser paths`: how every path of a running server is, and why; a path to another disk is looked at again."""

import click

from hawser.cli.control_option import control_option, map_option, require_control
from hawser.cli.dm import print_reply
from hawser.cli.pieces import print_pieces


@click.command()
@control_option
@map_option
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
@click.option(
    "--recheck",
    default="",
    metavar="PATH",
    help="Look at a failed path now, also at one that led to another disk; PATH is its number, name or URI. It is used again if "
    "what is found is right.",
)
@click.option(
    "--probe",
    is_flag=True,
    help="Read a block by every active path of the group in use, and fail those that cannot (Linux 6.16's DM_MPATH_PROBE_PATHS).",
)
def paths(control: str, map_name: str, as_json: bool, recheck: str, probe: bool) -> None:
    """Every path: in use or failed, what its last check found, why; and every fence, with what would lift it."""
    require_control(control, "hawser paths")
    if probe:
        print_pieces(control, "probe-paths", [], "hawser paths --probe", map_name)
    elif recheck:
        print_reply("hawser paths", control, "paths", ["recheck", recheck], map_name)
    else:
        print_reply("hawser paths", control, "paths", ["json"] if as_json else [], map_name)
