"""`hawser stats`: what the devices of a running server have done, as /proc/diskstats has it, and how long it took."""

import click
import msgspec
from rich.console import Console
from rich.table import Table

from hawser.cli.control_option import control_option, map_option, require_control
from hawser.cli.dm import ask_or_leave, print_reply
from hawser.service.statistics import LATENCY_COLUMNS, DeviceLatency


@click.command()
@control_option
@map_option
@click.option("--latency", is_flag=True, help="Quantiles per device and path, in microseconds, instead of counters.")
@click.option("--json", "as_json", is_flag=True, help="Both, with whole histograms, as JSON.")
@click.option("--hedges", is_flag=True, help="Reads that were asked for twice: sent, won, refused by budget.")
def stats(control: str, map_name: str, latency: bool, as_json: bool, hedges: bool) -> None:
    """Counters of every map and path since the server started, in the format of /proc/diskstats."""
    require_control(control, "hawser stats")
    if hedges and not as_json:
        print_reply(control, "stats", ["hedges"], map_name)
        return
    if not latency or as_json:
        print_reply(control, "stats", ["json"] if as_json else [], map_name)
        return
    reply = ask_or_leave(control, "stats", ["latency"], map_name)
    table = Table(title="latency, µs")
    for column in ("device", "I/O", "count", *LATENCY_COLUMNS):
        table.add_column(column, justify="left" if column in ("device", "I/O") else "right")
    for row in msgspec.json.decode(reply.out, type=list[DeviceLatency]):
        table.add_row(row.device, row.group, f"{row.count:,}", *(f"{value:,.1f}" for value in row.microseconds))
    Console().print(table)
