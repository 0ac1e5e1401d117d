"""Selections (`-S`): which rows of a report are shown, or which devices a verb is done to.

lvm2: _parse_or_ex(), _parse_selection() and _check_selection() of libdm/libdm-report.c:

    either   := both { ("||" | "#") both }
    both     := term { ("&&" | ",") term }
    term     := "!" "(" either ")" | "(" either ")" | FIELD comparison VALUE

Numbers compare as such, texts for being equal, or by a regular expression (`=~`, `!~`). Refusals have libdm's words.
"""

from typing import Final

from hawser.dm.dmsetup.arguments import DIGITS_MAX
from hawser.dm.dmsetup.fields import ALL_FIELDS, HELP, SELECTED, field_named
from hawser.dm.dmsetup.regex import Regex, RegexError

# Longer ones before those that they begin with.
COMPARISONS: Final = ("=~", "!~", "=", "!=", ">=", ">", "<=", "<", "since", "after", "until", "before")
ORDERS: Final = (">=", ">", "<=", "<")
TIMES: Final = ("since", "after", "until", "before")
MATCHES: Final = ("=~", "!~")
ANDS: Final = ("&&", ",")
ORS: Final = ("||", "#")
QUOTES: Final = {"(": ")", "{": "}", "[": "]", '"': '"', "'": "'"}
UNITS: Final = "hHrRbBsSkKmMgGtTpPeE"
NUMBER_MAX: Final = (1 << 64) - 1
LENGTH_MAX: Final = 4096
DEPTH_MAX: Final = 100
EVERYTHING: Final = "all"


class SelectionError(ValueError):
    """A selection that cannot be read; `lines` are the complaints, `lists` what dmsetup explains first: fields or operators."""

    def __init__(self, lines: list[str], lists: str = "") -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.lists = lists


FIELD_LIST: Final = "fields"
OPERATOR_LIST: Final = "operators"


class Term:
    """A comparison, or several terms; `negated` turns it round."""

    def __init__(self) -> None:
        self.negated = False

    def holds(self, values: dict[str, str]) -> bool:
        """Whether it is true of a row whose values these are, by field."""
        return self._holds(values) != self.negated

    def _holds(self, values: dict[str, str]) -> bool:
        raise NotImplementedError


class Comparison(Term):
    def __init__(self, field: str, operator: str, text: str, number: int, regex: Regex | None) -> None:
        super().__init__()
        self.field = field
        self.operator = operator
        self.text = text
        self.number = number
        self.regex = regex

    def _holds(self, values: dict[str, str]) -> bool:
        value = values[self.field]
        if self.regex is not None:
            return self.regex.matches(value) == (self.operator == "=~")
        if not _is_number(self.field):
            return (value == self.text) == (self.operator == "=")
        number = int(value or "0")
        if self.operator in ("=", "!="):
            return (number == self.number) == (self.operator == "=")
        if self.operator in (">", ">="):
            return number > self.number or (self.operator == ">=" and number == self.number)
        return number < self.number or (self.operator == "<=" and number == self.number)


class Several(Term):
    """All of its terms, or (`either`) any of them."""

    def __init__(self, either: bool, terms: list[Term]) -> None:
        super().__init__()
        self.either = either
        self.terms = terms

    def _holds(self, values: dict[str, str]) -> bool:
        for term in self.terms:
            if term.holds(values) == self.either:
                return self.either
        return not self.either


class Selection:
    """`fields` are those that it compares, in the order in which they stand; `said` what was complained about in vain."""

    def __init__(self, root: Term | None, fields: list[str], said: list[str]) -> None:
        self.root = root
        self.fields = fields
        self.said = said

    def holds(self, values: dict[str, str]) -> bool:
        return self.root is None or self.root.holds(values)


def parse_selection(text: str) -> Selection:
    """Read a selection. SelectionError when it is none."""
    if not text or text.lower() == EVERYTHING:
        return Selection(None, [], [])
    if len(text) > LENGTH_MAX:
        raise SelectionError([f"A selection has at most {LENGTH_MAX} characters."])
    parser = _Parser(text)
    try:
        root = parser.either(0)
        if parser.place < len(text):
            raise SelectionError(["Expecting logical operator", *_syntax(text[_skip_space(text, parser.place) :])])
    except SelectionError as error:
        raise SelectionError([*parser.said, *error.lines], error.lists) from None
    return Selection(root, parser.fields, parser.said)


def _syntax(where: str) -> list[str]:
    return [f"Selection syntax error at '{where}'.", "Use 'help' for selection to get more help."]


def _is_number(field: str) -> bool:
    return field == SELECTED or ALL_FIELDS[field].is_number


def _skip_space(text: str, place: int) -> int:
    while place < len(text) and text[place].isspace():
        place += 1
    return place


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.fields: list[str] = []
        self.said: list[str] = []

    def _takes(self, words: tuple[str, ...]) -> str:
        """The first of `words` that comes next, behind white space, which is then passed; or an empty string."""
        place = _skip_space(self.text, self.place)
        for word in words:
            if self.text.startswith(word, place):
                self.place = place + len(word)
                return word
        return ""

    def either(self, depth: int) -> Term:
        if depth > DEPTH_MAX:
            raise SelectionError([f"A selection is nested at most {DEPTH_MAX} deep."])
        terms = [self._both(depth)]
        while self._takes(ORS):
            terms.append(self._both(depth))
        return terms[0] if len(terms) == 1 else Several(True, terms)

    def _both(self, depth: int) -> Term:
        terms = [self._term(depth)]
        while self._takes(ANDS):
            terms.append(self._term(depth))
        return terms[0] if len(terms) == 1 else Several(False, terms)

    def _term(self, depth: int) -> Term:
        opened = self._takes(("!", "("))
        if not opened:
            self.place = _skip_space(self.text, self.place)
            return self._comparison()
        if opened == "!" and not self._takes(("(",)):
            raise SelectionError([f"Syntax error: left parenthesis expected at '{self.text[self.place :]}'"])
        term = self.either(depth + 1)
        if not self._takes((")",)):
            if opened == "(":
                self.place = _skip_space(self.text, self.place)
            raise SelectionError([f"Syntax error: right parenthesis expected at '{self.text[self.place :]}'"])
        # What is turned round twice stays turned round, as in libdm.
        term.negated = term.negated or opened == "!"
        return term

    def _comparison(self) -> Term:
        """Complaints about it are followed by where it begins, but for some of the value's."""
        text = self.text
        begin = self.place
        place = begin
        while place < len(text) and (text[place] in "_-" or (text[place].isascii() and text[place].isalnum())):
            place += 1
        if place == begin:
            raise self._wrong("Expecting field name", begin)
        word = text[begin:place]
        field = field_named(word)
        if not field:
            raise self._wrong(f"Unrecognised selection field: {word}", begin, FIELD_LIST)
        if field in HELP:
            raise self._wrong(f"Selection field is uncomparable: {word}.", begin, FIELD_LIST)
        self.place = place
        operator = self._takes(COMPARISONS)
        if not operator:
            raise self._wrong(f"Unrecognised comparison operator: {text[place:]}", begin, OPERATOR_LIST)
        if operator in MATCHES:
            comparison: Term = self._match(field, operator, begin)
        else:
            comparison = self._value(field, operator, begin)
        self.fields.append(field)
        self.place = _skip_space(text, self.place)
        return comparison

    def _wrong(self, line: str, begin: int, lists: str = "") -> SelectionError:
        return SelectionError([*line.split("\n"), *_syntax(self.text[begin:])], lists)

    def _match(self, field: str, operator: str, begin: int) -> Term:
        text = self.text
        self.place = _skip_space(text, self.place)
        if self.place == len(text):
            raise self._wrong(f"Regular expression expected for selection field {field}", begin)
        quote = QUOTES.get(text[self.place], "")
        self.place += 1 if quote else 0
        pattern = self._word(quote, begin, f"Failed to parse regex value for selection field {field}.")
        if _is_number(field):
            raise SelectionError([f"dm_report: incompatible comparison type for selection field {field}"])
        try:
            regex = Regex(pattern)
        except RegexError as error:
            lines = str(error).split("\n")
            raise SelectionError(
                [*lines, f"dm_report: failed to create regex matcher for selection field {field}"]
            ) from None
        self.said += regex.said
        return Comparison(field, operator, "", 0, regex)

    def _value(self, field: str, operator: str, begin: int) -> Term:
        text = self.text
        if operator in ORDERS and not _is_number(field):
            said = "Operator can be used only with number, size, time or percent fields: "
            raise self._wrong(said + text[begin:], begin, OPERATOR_LIST)
        if operator in TIMES:
            raise self._wrong(f"Operator can be used only with time fields: {text[begin:]}", begin, OPERATOR_LIST)
        self.place = _skip_space(text, self.place)
        if _is_number(field):
            return Comparison(field, operator, "", self._number(field, begin), None)
        quote = text[self.place : self.place + 1]
        quote = quote if quote in ('"', "'") else ""
        self.place += len(quote)
        word = self._word(quote, begin, f"Failed to parse string value for selection field {field}.")
        return Comparison(field, operator, word, 0, None)

    def _word(self, quote: str, begin: int, complaint: str) -> str:
        """Up to the quote; or, without one, to a space, an operator or a closing parenthesis."""
        text = self.text
        start = self.place
        if quote:
            end = text.find(quote, start)
            if end < 0:
                raise self._wrong(f"Missing end quote.\n{complaint}", begin)
            self.place = end + 1
            return text[start:end]
        while self.place < len(text) and text[self.place] != " ":
            end = self.place
            if self._takes((*ANDS, *ORS, ")")):
                self.place = end
                break
            self.place += 1
        return text[start : self.place]

    def _number(self, field: str, begin: int) -> int:
        text = self.text
        start = self.place
        has_point = False
        while self.place < len(text):
            char = text[self.place]
            if char == "." and not has_point:
                has_point = True
            elif not (char.isascii() and char.isdigit()):
                break
            self.place += 1
        word = text[start : self.place]
        if not word:
            raise self._wrong(f"Failed to parse numeric value for selection field {field}.", begin)
        following = text[self.place : self.place + 1]
        if following == "%":
            said = f"Found percent value but numeric value expected for selection field {field}."
            raise self._wrong(said, begin)
        if following and following in UNITS:
            said = f"Found size unit specifier but numeric value expected for selection field {field}."
            raise self._wrong(said, begin)
        digits = word.partition(".")[0]
        if len(digits) > DIGITS_MAX or int(digits or "0") > NUMBER_MAX:
            raise SelectionError([f"Field selection value {word} out of supported range for field {field}."])
        return int(digits or "0")
