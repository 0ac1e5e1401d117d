"""Story: what happened in a run, in plain words, one line for each thing. Nothing is put into words unless somebody listens."""


class Story:
    """`told`: whether lines are kept."""

    def __init__(self, told: bool) -> None:
        self.told = told
        self.lines: list[str] = []

    def tell(self, line: str) -> None:
        self.lines.append(line)
