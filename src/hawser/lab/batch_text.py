"""The text of a batch: commands, one a line, with a shell's quotes, comments and `<<WORD` texts.

Quotes may hold several lines; a backslash takes the next character as it is, and joins lines at their end. A word `<<WORD` at the
end of a command is no word of it: what follows, up to a line that is WORD, is what the command reads.
"""

from dataclasses import dataclass
from typing import Final

TEXT_MAX: Final = 4 << 20
COMMENT: Final = "#"
BLANKS: Final = " \t\r"
HERE: Final = "<<"


class BatchTextError(ValueError):
    """A text that cannot be read; `line` is where."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Command:
    """`line` is where it begins, from 1; `keeps_on` whether it may fail (a dash before it)."""

    line: int
    words: list[str]
    stdin: str
    keeps_on: bool


def parse_batch(text: str) -> list[Command]:
    """The commands of a text. BatchTextError says what cannot be read, and where."""
    if len(text) > TEXT_MAX:
        raise BatchTextError(1, f"longer than {TEXT_MAX} characters")
    return _Reader(text).commands()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.line = 1

    def commands(self) -> list[Command]:
        found: list[Command] = []
        while self.place < len(self.text):
            line = self.line
            words = self._words()
            if not words:
                continue
            stdin = ""
            if words[-1][0].startswith(HERE) and not words[-1][1]:
                stdin = self._here(line, words.pop()[0][len(HERE) :])
            keeps_on = words[:1] == [("-", False)]
            argv = [word for word, _ in words[1 if keeps_on else 0 :]]
            if not argv:
                raise BatchTextError(line, "a command is missing")
            found.append(Command(line, argv, stdin, keeps_on))
        return found

    def _take(self) -> str:
        letter = self.text[self.place]
        self.place += 1
        self.line += letter == "\n"
        return letter

    def _words(self) -> list[tuple[str, bool]]:
        """The words up to the end of a line, each with whether anything of it was quoted."""
        words: list[tuple[str, bool]] = []
        while self.place < len(self.text):
            letter = self.text[self.place]
            if letter == "\n":
                self._take()
                break
            if letter in BLANKS:
                self._take()
            elif letter == COMMENT:
                end = self.text.find("\n", self.place)
                self.place = end if end >= 0 else len(self.text)
            elif self.text.startswith("\\\n", self.place):
                self._take()
                self._take()
            else:
                words.append(self._word())
        return words

    def _word(self) -> tuple[str, bool]:
        pieces: list[str] = []
        quoted = False
        while self.place < len(self.text):
            letter = self.text[self.place]
            if letter in BLANKS or letter == "\n":
                break
            self._take()
            if letter in ("'", '"'):
                pieces.append(self._quoted(letter))
                quoted = True
            elif letter == "\\" and self.place < len(self.text):
                escaped = self._take()
                pieces.append("" if escaped == "\n" else escaped)
                quoted = True
            else:
                pieces.append(letter)
        return "".join(pieces), quoted

    def _quoted(self, quote: str) -> str:
        line = self.line
        pieces: list[str] = []
        while self.place < len(self.text):
            letter = self._take()
            if letter == quote:
                return "".join(pieces)
            if letter == "\\" and quote == '"' and self.place < len(self.text):
                escaped = self._take()
                if escaped == "\n":
                    continue
                letter = escaped if escaped in ('"', "\\", "$", "`") else letter + escaped
            pieces.append(letter)
        raise BatchTextError(line, f"the quote {quote} that begins here has no end")

    def _here(self, line: int, word: str) -> str:
        """The lines up to one that is `word`."""
        if not word:
            raise BatchTextError(line, "behind << there has to be a word, right behind it")
        lines: list[str] = []
        while self.place < len(self.text):
            end = self.text.find("\n", self.place)
            end = end if end >= 0 else len(self.text)
            found = self.text[self.place : end]
            self.place = min(end + 1, len(self.text))
            self.line += 1
            if found.strip() == word:
                return "".join(each + "\n" for each in lines)
            lines.append(found)
        raise BatchTextError(line, f"<<{word}: there is no line that is {word}")
