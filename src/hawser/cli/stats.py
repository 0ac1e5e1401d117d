"""`hawser stats`: what the devices of a running server have done, as /proc/diskstats has it, and how long it took."""

from typing import Final

import click
import msgspec

from hawser.cli.columns import columns
from hawser.cli.control_option import control_option, map_option, require_control
from hawser.cli.dm import ask_or_leave, fail, print_reply
from hawser.service.statistics import LATENCY_COLUMNS, DeviceLatency

COMMAND: Final = "hawser stats"


@click.command()
@control_option
@map_option
@click.option("--latency", is_flag=True, help="Quantiles per device and path, in microseconds, instead of counters.")
@click.option("--json", "as_json", is_flag=True, help="Both, with whole histograms, as JSON.")
@click.option("--hedges", is_flag=True, help="Reads that were asked for twice: sent, won, refused by budget.")
def stats(control: str, map_name: str, latency: bool, as_json: bool, hedges: bool) -> None:
    """Counters of every map and path since the server started, in the format of /proc/diskstats."""
    require_control(control, COMMAND)
    if hedges and not as_json:
        print_reply(COMMAND, control, "stats", ["hedges"], map_name)
        return
    if not latency or as_json:
        print_reply(COMMAND, control, "stats", ["json"] if as_json else [], map_name)
        return
    reply = ask_or_leave(COMMAND, control, "stats", ["latency"], map_name)
    if not reply.ok:
        fail(f"{COMMAND}: {reply.err}")
    for line in latency_lines(msgspec.json.decode(reply.out, type=list[DeviceLatency])):
        click.echo(line)


def latency_lines(found: list[DeviceLatency]) -> list[str]:
    """In microseconds. Names come last: a path's may be as long as a URI."""
    rows = [["device", "I/O", "count", *(f"{name} µs" for name in LATENCY_COLUMNS), "name"]]
    for one in found:
        times = [f"{value:,.1f}" for value in one.microseconds]
        rows.append([one.number, one.group, f"{one.count:,}", *times, one.device])
    return columns(rows, right=range(2, 3 + len(LATENCY_COLUMNS)))
