"""Look: colours and type of figures, by day and by night."""

from typing import Any, Final

# The same run gives the same file.
SETTINGS: Final[Any] = {
    "svg.hashsalt": "hawser",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 8.5,
    "hatch.linewidth": 0.6,
}

OPS: Final = {
    "read": "#3b82c4",
    "write": "#e08a1e",
    "flush": "#3f9e5a",
    "discard": "#8a63b8",
    "zero": "#8b6f5c",
}


class Palette:
    """The colours of a theme."""

    def __init__(self, dark: bool) -> None:
        self.paper = "#16191d" if dark else "#ffffff"
        self.lane = "#1f242a" if dark else "#f4f5f7"
        self.ink = "#e6e8ea" if dark else "#1c2024"
        self.faint = "#8d959e" if dark else "#6a737d"
        self.grid = "#323941" if dark else "#dde1e6"
        self.bad = "#ff5d5d" if dark else "#c81e1e"
        self.step = "#b48a1c" if dark else "#f2c94c"
        self.fence = "#9fb4ff" if dark else "#3d4fb0"
        self.on_bar = "#ffffff"
