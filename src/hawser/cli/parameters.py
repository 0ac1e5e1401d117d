"""`hawser parameters`: what is set for a whole server rather than in a table."""

import click

from hawser.cli.control_option import control_option, require_control
from hawser.cli.dm import print_reply


@click.command()
@control_option
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")
def parameters(control: str, values: tuple[str, ...]) -> None:
    """Show a running server's parameters, having set those that are given.

    \b
    dm_multipath.queue_if_no_path_timeout_secs   a map without any path queues so long at most; 0: as its table says
    dm_multipath.semantics                       6.12 or 6.16: whose rules count for tables loaded from now on
    """
    require_control(control, "hawser parameters")
    print_reply("hawser parameters", control, "parameters", list(values))
