"""Tables as plain text: as wide as what stands in them, whatever the terminal, so that nothing is cut off in a pipe."""

from collections.abc import Sequence
from typing import Final

GAP: Final = "  "


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """A line for each row, of which the first is the heading. `right`: the columns that end at one place, as numbers do."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines: list[str] = []
    for row in rows:
        cells = [
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(GAP.join(cells).rstrip())
    return lines
