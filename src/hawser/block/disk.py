"""Disk: what several paths lead to. The one fact that the block layer needs of it is its name.

Fences and flush domains belong to the disk, not to a map over it (DESIGN, Hard problems 9); hawser.multipath.disk adds them.
"""

from mypy_extensions import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class Disk:
    def __init__(self, name: str) -> None:
        self.name = name

    def open(self) -> int:
        """A client opens the disk. Its doubt generation: how often acknowledged writes may have been lost before now."""
        return 0
