"""Tables that were replaced while they withheld writes: each is destroyed when the last of those has been told."""

from hawser.core.turn import Turn, Work
from hawser.dm.table import Table


class RetiredTables(Work):
    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self.tables: list[Table] = []

    def add(self, table: Table) -> None:
        self.tables.append(table)
        self.run()

    def look_later(self) -> None:
        """A target has ended what it kept; perhaps it was the last of a replaced table."""
        if self.tables:
            self._turn.defer(self)

    def run(self) -> None:
        """Destroy those of which nothing is left."""
        retired = self.tables
        self.tables = [table for table in retired if table.withheld()]
        for table in retired:
            if not table.withheld():
                table.destroy()
