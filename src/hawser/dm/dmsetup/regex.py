"""Regular expressions as dmsetup's selections know them: `.`, `[...]`, `*`, `+`, `?`, `|`, `(...)`, `^` and `$`.

lvm2: libdm/regex. A text matches when any part of it does; `^` and `$` are characters before its first and behind its last one.
Matching keeps the set of places where it may be (Thompson's), so that it takes time by the product of both lengths, never more.
"""

from typing import Final

# Stand for the ends of the text, as in libdm, where nobody looks for these characters.
HAT: Final = 2
DOLLAR: Final = 3
ENDS: Final = {"^": HAT, "$": DOLLAR}
# Behind what has to match.
TARGET: Final = 0
# Longer ones, or more deeply nested ones, are refused.
LENGTH_MAX: Final = 4096
DEPTH_MAX: Final = 100
SPECIAL: Final = "()*+?|"
ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t"}


class RegexError(ValueError):
    """An expression that cannot be read; the text is the complaint, of several lines."""


class _State:
    """One place of an expression: ranges of characters that lead on, or (without any) up to two places reached for free."""

    def __init__(self, ranges: list[tuple[int, int]] | None, negated: bool = False) -> None:
        self.ranges = ranges
        self.negated = negated
        self.first: _State | None = None
        self.second: _State | None = None
        # The step at which it was last entered.
        self.step = -1

    def takes(self, char: int) -> bool:
        ranges = self.ranges
        assert ranges is not None
        for low, high in ranges:
            if low <= char <= high:
                return not self.negated
        return self.negated


class _Part:
    """A part of an expression: where it begins, and the last place, whose `first` leads on."""

    def __init__(self, start: _State, end: _State) -> None:
        self.start = start
        self.end = end


class Regex:
    """An expression that was read. RegexError when it cannot be.

    As libdm has it, what is read is `(.*(TEXT)END)`; where parentheses of the text close those, what is left over is ignored.
    """

    def __init__(self, text: str) -> None:
        if len(text) > LENGTH_MAX:
            raise RegexError(f"Regular expression longer than {LENGTH_MAX} characters")
        self._text = f"(.*({text}){chr(TARGET)})"
        self._place = 0
        self._depth = 0
        self._step = 0
        # Complaints, in order; not all of them are fatal.
        self.said: list[str] = []
        # What comes next: one of SPECIAL, or a set of characters, or (neither) the end.
        self._special = ""
        self._ranges: list[tuple[int, int]] | None = None
        self._negated = False
        self._next()
        whole = self._either()
        if whole is None:
            raise RegexError("\n".join([*self.said, "Parse error in regex", "Couldn't parse regex"]))
        self._start = whole.start

    def matches(self, text: str) -> bool:
        """Whether any part of `text` matches."""
        states = self._reached([self._start])
        for char in [HAT, *[ord(letter) for letter in text], DOLLAR]:
            following = [state.first for state in states if state.first is not None and state.takes(char)]
            states = self._reached(following)
            for state in states:
                if not state.negated and state.takes(TARGET):
                    return True
        return False

    def _reached(self, todo: list[_State]) -> list[_State]:
        """The places with characters that `todo` leads to for free."""
        self._step += 1
        found: list[_State] = []
        while todo:
            state = todo.pop()
            if state.step == self._step:
                continue
            state.step = self._step
            if state.ranges is not None:
                found.append(state)
                continue
            for following in (state.first, state.second):
                if following is not None:
                    todo.append(following)
        return found

    # Reading. None where there is nothing that could be read.

    def _either(self) -> _Part | None:
        """Parts with bars between them."""
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise RegexError(f"Regular expression nested deeper than {DEPTH_MAX}")
        parts: list[_Part] = []
        while True:
            part = self._sequence()
            if part is None:
                break
            parts.append(part)
            if self._special != "|":
                break
            self._next()
        self._depth -= 1
        if part is None:
            # (Each of the bars before it says so.)
            self.said += ["Badly formed 'or' expression"] * len(parts)
            return None
        return _any_of(parts)

    def _sequence(self) -> _Part | None:
        whole: _Part | None = None
        while True:
            part = self._repeated()
            if part is None:
                return whole
            if whole is None:
                whole = part
            else:
                whole.end.first = part.start
                whole = _Part(whole.start, part.end)
            if self._special == "|":
                return whole

    def _repeated(self) -> _Part | None:
        part = self._single()
        if part is None:
            return None
        while self._special and self._special in "*+?":
            part = _repeat(part, self._special)
            self._next()
        return part

    def _single(self) -> _Part | None:
        if self._special == "(":
            self._next()
            part = self._either()
            if self._special != ")":
                self.said.append("missing ')' in regular expression")
                return None
            self._next()
            return part
        if self._ranges is None:
            return None
        single = _one(self._ranges, self._negated)
        self._next()
        return single

    # What comes next.

    def _next(self) -> None:
        self._special = ""
        self._ranges = None
        self._negated = False
        if self._place >= len(self._text):
            return
        char = self._text[self._place]
        self._place += 1
        if char in SPECIAL:
            self._special = char
        elif char == "[":
            self._ranges = self._set()
        elif char == ".":
            self._ranges = [(0, 0), (10, 10), (13, 13)]
            self._negated = True
        elif char in ENDS:
            self._ranges = [(ENDS[char], ENDS[char])]
        else:
            code = ord(self._escaped() if char == "\\" else char)
            self._ranges = [(code, code)]

    def _escaped(self) -> str:
        # (Something always follows: the end of what the text stands in.)
        char = self._text[self._place]
        self._place += 1
        return ESCAPES.get(char, char)

    def _set(self) -> list[tuple[int, int]] | None:
        """Characters and ranges up to a bracket; without one, all the rest was read in vain."""
        text = self._text
        ranges: list[tuple[int, int]] = []
        if text[self._place] == "^":
            self._place += 1
            self._negated = True
            ranges.append((0, 0))
        last = 0
        while self._place < len(text) and text[self._place] != "]":
            char = text[self._place]
            self._place += 1
            if char == "-" and last and self._place < len(text):
                upper = ord(text[self._place])
                self._place += 1
                ranges.append((min(last, upper), max(last, upper)))
                last = max(last, upper)
                continue
            last = ord(self._escaped()) if char == "\\" and self._place < len(text) else ord(char)
            ranges.append((last, last))
        if self._place >= len(text):
            return None
        self._place += 1
        return ranges


def _any_of(parts: list[_Part]) -> _Part:
    while len(parts) > 1:
        second, first = parts.pop(), parts.pop()
        start, end = _State(None), _State(None)
        start.first, start.second = first.start, second.start
        first.end.first = second.end.first = end
        parts.append(_Part(start, end))
    return parts[0]


def _one(ranges: list[tuple[int, int]], negated: bool = False) -> _Part:
    state, end = _State(ranges, negated), _State(None)
    state.first = end
    return _Part(state, end)


def _repeat(part: _Part, how: str) -> _Part:
    start, end = _State(None), _State(None)
    start.first = part.start
    if how == "?":
        part.end.first = end
        start.second = end
        return _Part(start, end)
    again = _State(None)
    again.first, again.second = part.start, end
    part.end.first = again
    if how == "*":
        start.second = end
    return _Part(start, end)
