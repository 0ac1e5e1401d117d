"""Tables of the tools' reports."""

from collections.abc import Sequence


def padded_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Markdown; columns are padded, so that it reads as text, too."""
    lines = [head, *([cell.replace("|", "/") for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    shown = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    shown.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(shown)
