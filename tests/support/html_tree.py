"""A page of HTML as a tree, for tests: every tag that is opened is closed, in order, or parsing fails."""

from collections.abc import Iterator
from html.parser import HTMLParser

VOID = ("meta", "br", "input", "link", "img", "hr")


class Element:
    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[Element | str] = []

    def all(self, name: str = "", **attributes: str) -> list["Element"]:
        """Every element below with that name and those attributes (`cls` is one word of the class)."""
        wanted = attributes.pop("cls", "")
        return [
            one
            for one in self._below()
            if (not name or one.name == name)
            and (not wanted or wanted in one.attributes.get("class", "").split())
            and all(one.attributes.get(key) == value for key, value in attributes.items())
        ]

    def one(self, name: str = "", **attributes: str) -> "Element":
        found = self.all(name, **attributes)
        assert len(found) == 1, f"{len(found)} of {name} {attributes}"
        return found[0]

    def text(self) -> str:
        """All words in it, with single spaces."""
        parts = [child if isinstance(child, str) else child.text() for child in self.children]
        return " ".join(" ".join(parts).split())

    def _below(self) -> Iterator["Element"]:
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child._below()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.stack = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(dict.fromkeys(names)), f"<{tag}> has an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.stack[-1].children.append(element)
        if tag not in VOID:
            self.stack.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag: str) -> None:
        opened = self.stack.pop().name
        assert opened == tag, f"</{tag}> closes <{opened}> in line {self.getpos()[0]}"

    def handle_data(self, data: str) -> None:
        self.stack[-1].children.append(data)


def parse(text: str) -> Element:
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert len(reader.stack) == 1, f"never closed: {[one.name for one in reader.stack[1:]]}"
    return reader.stack[0]
