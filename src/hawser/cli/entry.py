"""Where the installed program begins: it is `hawser`, unless it is called `dmsetup`."""

import sys

from hawser.cli.dm import PROGRAM, dmsetup
from hawser.cli.main import main


def entry() -> None:
    """By the name under which it was called: a link named dmsetup is dmsetup."""
    if sys.argv[0].rpartition("/")[2] == PROGRAM:
        dmsetup()
    else:
        main()
