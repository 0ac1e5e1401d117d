"""Reports: `info -c` and `splitname`, with a row for each device (or name) and fields as columns.

lvm2: libdm/libdm-report.c and _report_init() of dmsetup.c. A column is as wide as its widest word, and no narrower than the field
says; numbers stand to the right. `--noheadings` gives rows without padding, with colons between.
"""

from typing import Final

from hawser.dm.dmsetup.arguments import Arguments
from hawser.dm.dmsetup.call import Call
from hawser.dm.dmsetup.fields import (
    ALL_FIELDS,
    DEFAULT_FIELDS,
    GROUPS,
    HELP,
    REGION,
    SELECTED,
    SPLIT,
    SPLIT_FIELDS,
    STATS,
    TREE,
    FieldError,
    Subject,
    canonical,
    field_named,
    groups_named,
)
from hawser.dm.dmsetup.help_text import put_fields, put_selections
from hawser.dm.dmsetup.selection import FIELD_LIST, OPERATOR_LIST, Selection, SelectionError, parse_selection

SELECTED_WIDTH: Final = 8


class Column:
    """A field of the report. A hidden one is there because rows are sorted or selected by it."""

    def __init__(self, name: str, is_hidden: bool) -> None:
        self.name = name
        self.is_hidden = is_hidden
        implicit = name == SELECTED or name in HELP
        self.is_number = implicit or ALL_FIELDS[name].is_number
        self.heading = name.capitalize() if implicit else ALL_FIELDS[name].heading
        self.width = SELECTED_WIDTH if implicit else ALL_FIELDS[name].width

    def padded(self, word: str, right: bool) -> str:
        cut = word[: self.width]
        return cut.rjust(self.width) if right else cut.ljust(self.width)


class Report:
    """`is_told`: all that there is to say was said (help), and rows are dropped."""

    def __init__(self, call: Call, of_names: bool) -> None:
        self.call = call
        self.of_names = of_names
        self.columns: list[Column] = []
        # Names of fields, and whether it goes down.
        self.keys: list[tuple[str, bool]] = []
        self.selection = Selection(None, [], [])
        self.is_told = False
        # Each row has a word for every field of `columns`, by name.
        self.rows: list[dict[str, str]] = []
        self._has_headings = False
        self._is_measured = False
        self._groups: set[str] = {SPLIT} if of_names else set()
        asked = call.value("options")
        self.is_unbuffered = call.has("unbuffered") and not call.has("sort") and not call.has("rows")
        self.shows_headings = not call.has("noheadings") and not (call.has("options") and "help" in asked)
        self.separator = call.value("separator") if call.has("separator") else ":" if call.has("noheadings") else " "
        options = ("noheadings", "nameprefixes", "separator", "rows")
        self.is_aligned = not any(call.has(option) for option in options)

    # What it is to show.

    def begin(self) -> bool:
        """Read the options. False, after a complaint, when they cannot be used."""
        call = self.call
        default = SPLIT_FIELDS if self.of_names else DEFAULT_FIELDS
        asked = call.value("options") if call.has("options") else default
        if asked.startswith("+"):
            asked = f"{default},{asked[1:]}"
        if not self._parse_fields(asked) or not self._parse_keys(call.value("sort")):
            return False
        if any(column.name in HELP for column in self.columns):
            put_fields(call)
            call.complain(" ")
            self.is_told = True
        return self._parse_selection(call.value("select"))

    def _parse_fields(self, text: str) -> bool:
        """Twice: `all` means all of the groups that are named beside it."""
        words = _words(text)
        for word in words:
            name = field_named(word)
            groups = [_group(name)] if name else self._all_of(word)
            if not groups:
                put_fields(self.call)
                self.call.complain(" ")
                return self.call.complain(f"Unrecognised field: {word}")
            self._groups.update(groups)
        for word in words:
            name = field_named(word)
            if name:
                self.columns.append(Column(name, False))
                continue
            wanted = self._all_of(word)
            self.columns += [Column(field, False) for field, what in ALL_FIELDS.items() if what.group in wanted]
        return True

    def _all_of(self, word: str) -> list[str]:
        """The groups all of whose fields `word` means."""
        if canonical(word) != "all":
            return groups_named(word)
        known: list[str] = [group for group in GROUPS if group in self._groups]
        return known if known else [*GROUPS]

    def _parse_keys(self, text: str) -> bool:
        call = self.call
        for word in _words(text):
            sign = word[:1] if word[:1] in ("+", "-") else ""
            name = field_named(word[len(sign) :])
            if sign and len(word) == 1:
                call.complain("dm_report: Missing sort field name")
            if not name:
                put_fields(call)
                call.complain(" ")
                return call.complain(f"dm_report: Unrecognised field: {word}")
            if any(key == name for key, _ in self.keys):
                call.complain(f"dm_report: Ignoring duplicate sort field: {name}.")
                continue
            self.keys.append((name, sign == "-"))
            self._hide(name)
        return True

    def _hide(self, name: str) -> None:
        """A column that nobody sees, unless there is one already."""
        if all(column.name != name for column in self.columns):
            self.columns.insert(0, Column(name, True))
        self._groups.add(_group(name))

    def _parse_selection(self, text: str) -> bool:
        call = self.call
        if text.lower() == HELP[0] or text == HELP[1]:
            put_fields(call, with_types=True)
            call.complain(" ")
            put_selections(call)
            self.is_told = True
            return True
        try:
            self.selection = parse_selection(text)
        except SelectionError as error:
            if error.lists == FIELD_LIST:
                put_fields(call, with_types=True)
                call.complain(" ")
            elif error.lists == OPERATOR_LIST:
                put_selections(call)
            for line in error.lines:
                call.complain(line)
            return False
        for line in self.selection.said:
            call.complain(line)
        for name in self.selection.fields:
            self._hide(name)
        return True

    def needs_tree(self) -> bool:
        """Whether it shows what stands on what."""
        return TREE in self._groups

    # Rows.

    def add(self, subject: Subject, is_shown: bool) -> bool | None:
        """A row, kept if it is selected and `is_shown`. Whether it is selected; None, after a complaint, without such a field."""
        if self.is_told or (subject.device is not None and (STATS in self._groups or REGION in self._groups)):
            # There are no regions of statistics, each of which would have a row.
            return False
        row: dict[str, str] = {}
        for column in self.columns:
            if column.name == SELECTED:
                row[SELECTED] = "1"
                continue
            try:
                value = ALL_FIELDS[column.name].value(self.call, subject)
            except FieldError as error:
                self.call.complain(str(error))
                self.call.complain(f"_do_report_object: report function failed for field {column.name}")
                return None
            if value is None:
                self.call.complain(f"_do_report_object: no data assigned to field {column.name}")
                return None
            row[column.name] = value
        is_selected = self.selection.holds(row)
        shows_selected = any(column.name == SELECTED and not column.is_hidden for column in self.columns)
        if not is_selected and shows_selected:
            row[SELECTED] = "0"
        if is_shown and (is_selected or shows_selected):
            self.rows.append(row)
            if self.is_unbuffered:
                self.output()
        return is_selected

    # Output.

    def output(self) -> None:
        """Print and forget the rows. Headings come first, each time but of a report without a buffer."""
        if not self.rows:
            return
        if not self._is_measured:
            self._measure()
        if self.keys:
            self._sort()
        if self.call.has("rows"):
            self._put_as_rows()
        else:
            if self.shows_headings and not (self.is_unbuffered and self._has_headings):
                self._put_headings()
            for row in self.rows:
                shown = [column for column in self.columns if not column.is_hidden]
                self.call.put(self.separator.join(self._cell(column, row) for column in shown))
        self.rows = []

    def _measure(self) -> None:
        self._is_measured = True
        for column in self.columns:
            column.width = max([column.width, *(len(row[column.name]) for row in self.rows)])

    def _put_headings(self) -> None:
        self._has_headings = True
        shown = [column for column in self.columns if not column.is_hidden]
        cells = [column.padded(column.heading, False) if self.is_aligned else column.heading for column in shown]
        self.call.put(self.separator.join(cells))

    def _put_as_rows(self) -> None:
        for column in self.columns:
            if column.is_hidden:
                continue
            cells = [column.heading] if self.shows_headings else []
            cells += [self._cell(column, row) for row in self.rows]
            self.call.put(self.separator.join(cells))

    def _cell(self, column: Column, row: dict[str, str]) -> str:
        word = row[column.name]
        if self.is_aligned:
            word = column.padded(word, column.is_number)
        if not self.call.has("nameprefixes"):
            return word
        quote = "" if self.call.has("unquoted") else "'"
        return f"DM_{column.name.upper()}={quote}{word}{quote}"

    def _sort(self) -> None:
        """By the first key most; rows that are equal stay in order."""
        for name, goes_down in reversed(self.keys):
            is_number = name == SELECTED or ALL_FIELDS[name].is_number
            self.rows = _sorted(self.rows, name, is_number, goes_down)


def explains_itself(arguments: Arguments) -> bool:
    """Whether a report with these options lists fields or operators, as asked for or before a complaint."""
    asked = arguments.value("options")
    for word in _words(f"{DEFAULT_FIELDS},{asked[1:]}" if asked.startswith("+") else asked):
        name = field_named(word)
        if name in HELP or (not name and canonical(word) != "all" and not groups_named(word)):
            return True
    for key in _words(arguments.value("sort")):
        if not field_named(key[1:] if key[:1] in ("+", "-") else key):
            return True
    selection = arguments.value("select")
    if selection.lower() == HELP[0] or selection == HELP[1]:
        return True
    try:
        parse_selection(selection)
    except SelectionError as error:
        return error.lists != ""
    return False


def _sorted(rows: list[dict[str, str]], name: str, is_number: bool, goes_down: bool) -> list[dict[str, str]]:
    def key(row: dict[str, str]) -> tuple[int, str]:
        return (int(row[name]), "") if is_number else (0, row[name])

    return sorted(rows, key=key, reverse=goes_down)


def _group(name: str) -> str:
    """Of a field; those that every report has are of none."""
    return ALL_FIELDS[name].group if name in ALL_FIELDS else ""


def _words(text: str) -> list[str]:
    """Words between commas. Several commas are one, but behind a last one an empty word is left."""
    words: list[str] = []
    place = 0
    while place < len(text):
        while place < len(text) and text[place] == ",":
            place += 1
        end = text.find(",", place)
        end = end if end >= 0 else len(text)
        words.append(text[place:end])
        place = end
    return words
