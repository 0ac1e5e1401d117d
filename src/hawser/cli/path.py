"""`hawser path`: add, remove and replace paths of a running server, under load."""

import click

from hawser.cli.control_option import control_option, map_option, require_control
from hawser.cli.pieces import print_pieces


@click.group()
def path() -> None:
    """Change the paths of a running server while clients use the disk.

    A new path is admitted by the same checks as at the start (hawser serve --path): size, identity, content.
    """


def _ask(control: str, map_name: str, verb: str, words: list[str], force: bool) -> None:
    command = f"hawser path {verb}"
    require_control(control, command)
    print_pieces(control, "path", [verb, *words, *(["force"] if force else [])], command, map_name)


@path.command()
@control_option
@map_option
@click.option("--group", type=click.IntRange(1), help="The priority group, or the next number for a new one.")
@click.option("--force", is_flag=True, help="Although nothing can tell that it is the same disk.")
@click.argument("uri")
def add(control: str, map_name: str, group: int | None, force: bool, uri: str) -> None:
    """Add the path URI (as for hawser serve --path)."""
    _ask(control, map_name, "add", [uri, *(["group", str(group)] if group is not None else [])], force)


@path.command()
@control_option
@map_option
@click.option("--force", is_flag=True, help="Also the last path, or one whose last writes are not settled.")
@click.argument("path_name", metavar="PATH")
def remove(control: str, map_name: str, force: bool, path_name: str) -> None:
    """Remove PATH: its number, name or URI (hawser paths)."""
    _ask(control, map_name, "remove", [path_name], force)


@path.command()
@control_option
@map_option
@click.option("--force", is_flag=True, help="Whatever became of the old one's last writes.")
@click.argument("path_name", metavar="PATH")
@click.argument("uri")
def replace(control: str, map_name: str, force: bool, path_name: str, uri: str) -> None:
    """Put the path URI in the place of PATH, with one change of the table."""
    _ask(control, map_name, "replace", [path_name, uri], force)
