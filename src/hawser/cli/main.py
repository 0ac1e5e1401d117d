"""The `hawser` command, and the one way in which every part of it ends by Ctrl-C."""

from typing import Any

import click

from hawser import __version__
from hawser.build_info import describe
from hawser.cli.demo import demo
from hawser.cli.demo_more import operator, researcher
from hawser.cli.dm import dm
from hawser.cli.exit_status import INTERRUPTED
from hawser.cli.lab import lab
from hawser.cli.parameters import parameters
from hawser.cli.path import path
from hawser.cli.paths import paths
from hawser.cli.probe import probe
from hawser.cli.resize import resize
from hawser.cli.serve import serve
from hawser.cli.stats import stats
from hawser.cli.trace import trace


class Program(click.Group):
    """click would say `Aborted!`, with the status of any other failure."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            # Behind the `^C` of the terminal.
            click.echo("\ninterrupted", err=True)
            ctx.exit(INTERRUPTED)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, message=f"%(prog)s %(version)s, {describe()}")
def main() -> None:
    """Device-mapper multipath in userspace: one disk that outlives its paths."""


main.add_command(serve)
main.add_command(dm)
demo.add_command(operator)
demo.add_command(researcher)
main.add_command(demo)
main.add_command(lab)
main.add_command(parameters)
main.add_command(path)
main.add_command(paths)
main.add_command(resize)
main.add_command(probe)
main.add_command(stats)
main.add_command(trace)
