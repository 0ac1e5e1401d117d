"""`hawser resize`: serve a disk that has grown in its new size."""

import click

from hawser.cli.control_option import control_option, map_option, require_control
from hawser.cli.pieces import print_pieces


@click.command()
@control_option
@map_option
def resize(control: str, map_name: str) -> None:
    """Serve a disk that has grown by every path in its new size, which is the smallest of all paths.

    Clients that are connected keep the size that they were told; new connections are told the new one.
    """
    require_control(control, "hawser resize")
    print_pieces(control, "resize", [], "hawser resize", map_name)
