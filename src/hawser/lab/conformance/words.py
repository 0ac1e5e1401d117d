"""What a step is about: its program, the tables that it brings, the devices that it names."""

import re
from typing import Final

from hawser.dm.dmsetup.arguments import Arguments, UsageError, parse_arguments
from hawser.dm.dmsetup.table_text import TableTextError, parse_table
from hawser.dm.table import TableLine

TABLE_VERBS: Final = ("create", "load", "reload")
_SPLIT: Final = re.compile(r"[\s,;=]+")


class StepWords:
    """`argv` without the words that put a command into the background; `job` is the name of that."""

    def __init__(self, cmd: list[str], stdin: str) -> None:
        self.is_background = cmd[:1] == ["bg"]
        self.waits = cmd[:1] == ["wait"]
        self.job = cmd[1] if (self.is_background or self.waits) and len(cmd) > 1 else ""
        self.argv = cmd[2:] if self.is_background else cmd
        self.stdin = stdin
        self.program = self.argv[0] if self.argv else ""
        self.arguments = self._dmsetup_arguments()
        self.verb = self.arguments.words[0] if self.arguments.words else ""
        self.lines = self._lines()

    def _dmsetup_arguments(self) -> Arguments:
        if self.program == "dmsetup":
            try:
                return parse_arguments(self.argv[1:])
            except UsageError:
                pass
        return Arguments()

    def _lines(self) -> list[TableLine]:
        """The lines of the table that it brings, if they can be read."""
        if self.verb not in TABLE_VERBS or self.arguments.has("notable"):
            return []
        text = self.arguments.value("table") if self.arguments.has("table") else self.stdin
        if self.arguments.has("concise"):
            text = self._concise_lines()
        try:
            return parse_table(text, "")
        except TableTextError:
            return []

    def _concise_lines(self) -> str:
        """Devices are `name,uuid,minor,flags,line[,line...]`, with a semicolon between them."""
        spec = self.arguments.words[1] if len(self.arguments.words) > 1 else self.stdin
        return "\n".join("\n".join(device.split(",")[4:]) for device in spec.split(";"))

    def device_names(self) -> list[str]:
        """The devices that a dmsetup verb is for, as they were named."""
        words = self.arguments.words[1:]
        if self.verb in TABLE_VERBS or self.verb in ("message", "rename", "wait"):
            words = words[:1]
        return [word.removeprefix("/dev/mapper/") for word in words]

    def tokens(self) -> set[str]:
        """Every word that might name something."""
        found: set[str] = set()
        for word in [*self.argv[1:], self.stdin]:
            found.update(_SPLIT.split(word))
            if word.startswith(("/sys/", "/dev/")):
                found.update(word.split("/"))
        return found
