"""The option that says where a running server is to be asked, as several commands have it."""

import sys
from collections.abc import Callable
from typing import Any

import click

_option = click.option(
    "--control", envvar="HAWSER_CONTROL", default="", metavar="SOCKET", help="Default: $HAWSER_CONTROL."
)

_map = click.option(
    "--map",
    "map_name",
    default="",
    metavar="NAME",
    help="Of which map, where the server has several disks (hawser dm ls).",
)


def control_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return _option(command)


def map_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return _map(command)


def require_control(control: str, command: str) -> None:
    """End with a message when no socket was named."""
    if not control:
        click.echo(f"{command}: name the server's control socket with --control or HAWSER_CONTROL", err=True)
        sys.exit(1)
