"""The mutation operators: every small mechanical change of one source text, found in its syntax tree and made in its text.

Why not a standard tool. cosmic-ray 8.7 can be driven as a library, but its operators cannot delete a statement or change what a
function returns, which are the mistakes that matter in state machines; half of what they do find here is no mutation of behaviour
(`|` in annotations, every operator for every other) or does not import; and it brings aiohttp, SQLAlchemy and GitPython. mutmut 3
rewrites whole functions through trampolines and wants to own the test run. So these are our own, the classical ones, and they
leave alone what is no behaviour: annotations, type aliases, docstrings, asserts, log and error texts, `if TYPE_CHECKING`, numbers
that are mere names (`READ: Final = 0`), and what Python itself would notice at once (a first assignment in `__init__`).
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

COMPARISONS: Final[dict[type[ast.cmpop], tuple[str, str]]] = {
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
ORDERINGS: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
ARITHMETIC: Final[dict[type[ast.operator], tuple[str, str]]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "//"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "//"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
}
# Module-level numbers below this are names for something unless their own name says that they are an amount.
CODE_MAX: Final = 32
AMOUNT: Final = re.compile(r"(_|^)(MAX|MIN|NS|DEFAULT|SIZE|DEPTH|RETRIES|MSECS)(_|$)")
SNIPPET_MAX: Final = 70
OPERAND_MAX: Final = 40


@dataclass(frozen=True)
class Edit:
    """Replace the bytes [start, end) of the source. `what` says it in a few words; `function` is the qualified name around it."""

    start: int
    end: int
    text: str
    operator: str
    what: str
    line: int
    function: str

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.text.encode() + source[self.end :]


def find_edits(source: str) -> list[Edit]:
    """Every edit of `source`, in its order, each of which differs from all the others; some may be no Python any more."""
    data = source.encode()
    seen: set[bytes] = {data}
    edits: list[Edit] = []
    for edit in sorted(
        _Finder(data).module(ast.parse(source)), key=lambda edit: (edit.start, edit.operator, edit.text)
    ):
        mutated = edit.apply(data)
        if mutated not in seen:
            seen.add(mutated)
            edits.append(edit)
    return edits


def compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec")
    except SyntaxError:
        return False
    return True


class _Finder:
    def __init__(self, source: bytes) -> None:
        self.source = source
        self.starts = [0]
        for line in source.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.scope: list[str] = []
        self.returns: list[ast.expr | None] = []

    # Where things are.

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self.starts[node.lineno - 1] + node.col_offset, self.starts[node.end_lineno - 1] + node.end_col_offset

    def text(self, node: ast.expr | ast.stmt) -> str:
        start, end = self.span(node)
        return self.source[start:end].decode()

    def replace(self, node: ast.expr | ast.stmt, text: str, operator: str, what: str = "") -> Edit:
        start, end = self.span(node)
        said = what or f"`{_short(self.text(node))}` -> `{_short(text)}`"
        return Edit(start, end, text, operator, said, node.lineno, ".".join(self.scope))

    def between(self, left: ast.expr, right: ast.expr, old: str, new: str, operator: str) -> Edit | None:
        """Replace the operator `old` between two operands; parentheses and line ends may lie there too."""
        low, high = self.span(left)[1], self.span(right)[0]
        pattern = rb"\s+".join(re.escape(word.encode()) for word in old.split())
        found = re.search(pattern, self.source[low:high])
        if found is None:
            return None
        start, end = low + found.start(), low + found.end()
        operands = _short(self.text(left), OPERAND_MAX), _short(self.text(right), OPERAND_MAX)
        said = f"`{operands[0]} {old} {operands[1]}` -> `{new}`"
        line = self.source[:start].count(b"\n") + 1
        return Edit(start, end, new, operator, said, line, ".".join(self.scope))

    # Walking.

    def module(self, tree: ast.Module) -> Iterator[Edit]:
        for node in tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield from self.statement(node)
            elif isinstance(node, ast.AnnAssign) and _is_amount(node):
                assert node.value is not None
                yield from self.expression(node.value)

    def block(self, body: list[ast.stmt]) -> Iterator[Edit]:
        for node in body:
            yield from self.statement(node)

    def statement(self, node: ast.stmt) -> Iterator[Edit]:
        match node:
            case ast.ClassDef():
                self.scope.append(node.name)
                yield from self.block(node.body)
                self.scope.pop()
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from self.function(node)
            case ast.If() if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
                pass
            case ast.Assert() | ast.Import() | ast.ImportFrom():
                pass
            case ast.Raise():
                if not _is_refusal_of_use(node):
                    yield self.replace(node, "pass", "delete", f"delete `{_short(self.text(node))}`")
            case ast.Expr():
                yield from self.call(node)
            case ast.Assign() | ast.AugAssign():
                yield from self.assignment(node)
            case ast.AnnAssign():
                if node.value is not None:
                    yield from self.expression(node.value)
            case ast.Return():
                yield from self.returned(node)
            case ast.Break():
                yield self.replace(node, "continue", "break")
            case ast.Continue():
                yield self.replace(node, "break", "break")
            case _:
                yield from self.compound(node)

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Edit]:
        self.scope.append(node.name)
        self.returns.append(node.returns)
        for default in [*node.args.defaults, *(value for value in node.args.kw_defaults if value is not None)]:
            yield from self.expression(default)
        yield from self.block(node.body)
        self.returns.pop()
        self.scope.pop()

    def compound(self, node: ast.stmt) -> Iterator[Edit]:
        """If, while, for, try, with, match: what they test, and their blocks."""
        if isinstance(node, ast.If | ast.While):
            yield from self.condition(node.test)
        for value in ast.iter_child_nodes(node):
            if isinstance(value, ast.stmt):
                yield from self.statement(value)
            elif isinstance(value, ast.ExceptHandler):
                yield from self.block(value.body)
            elif isinstance(value, ast.expr) and not (isinstance(node, ast.For) and value is node.target):
                yield from self.expression(value)

    def call(self, node: ast.Expr) -> Iterator[Edit]:
        if not isinstance(node.value, ast.Call) or _is_log(node.value) or "super()" in self.text(node):
            return
        yield self.replace(node, "pass", "delete", f"delete `{_short(self.text(node))}`")
        yield from self.expression(node.value)

    def assignment(self, node: ast.Assign | ast.AugAssign) -> Iterator[Edit]:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        is_local = all(isinstance(target, ast.Name | ast.Tuple) for target in targets)
        if isinstance(node, ast.AugAssign) or not (is_local or self.scope[-1:] == ["__init__"]):
            yield self.replace(node, "pass", "delete", f"delete `{_short(self.text(node))}`")
        if isinstance(node, ast.AugAssign) and type(node.op) in ARITHMETIC and not _is_sequence(node.value):
            old, new = ARITHMETIC[type(node.op)]
            said = self.text(node).replace(f"{old}=", f"{new}=", 1)
            yield self.replace(node, said, "arithmetic")
        yield from self.expression(node.value)

    def returned(self, node: ast.Return) -> Iterator[Edit]:
        value = node.value
        if value is None:
            yield self.replace(node, "pass", "delete", "delete `return`")
            return
        kind = self.returns[-1]
        said = ast.unparse(kind) if kind is not None else ""
        text = self.text(value)
        if said == "bool" and not isinstance(value, ast.Constant):
            yield self.replace(value, f"not ({text})", "return", f"return not `{_short(text)}`")
        elif said == "int" and not isinstance(value, ast.Constant):
            yield self.replace(value, f"({text}) + 1", "return", f"return `{_short(text)}` + 1")
        elif said.endswith("| None") and not (isinstance(value, ast.Constant) and value.value is None):
            yield self.replace(value, "None", "return", f"return None for `{_short(text)}`")
        elif said.startswith("list[") and text != "[]":
            yield self.replace(value, "[]", "return", f"return [] for `{_short(text)}`")
        yield from self.expression(value)

    def condition(self, test: ast.expr) -> Iterator[Edit]:
        """Negate it, unless turning its one operator round does the same."""
        is_turned = isinstance(test, ast.Compare) and len(test.ops) == 1 and not isinstance(test.ops[0], ORDERINGS)
        if not is_turned and not isinstance(test, ast.UnaryOp):
            text = self.text(test)
            yield self.replace(test, f"not ({text})", "negate", f"negate `{_short(text)}`")

    def expression(self, node: ast.expr) -> Iterator[Edit]:
        if isinstance(node, ast.JoinedStr | ast.Lambda) or (isinstance(node, ast.Call) and _is_log(node)):
            return
        yield from self.operation(node)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                yield from self.expression(child)
            elif isinstance(child, ast.comprehension):
                yield from self.expression(child.iter)
                for test in child.ifs:
                    yield from self.condition(test)
                    yield from self.expression(test)
            elif isinstance(child, ast.keyword):
                yield from self.expression(child.value)

    def operation(self, node: ast.expr) -> Iterator[Edit]:
        """What can be changed about this very node."""
        edit: Edit | None = None
        match node:
            case ast.Compare():
                yield from self.comparison(node)
            case ast.BoolOp():
                old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
                for left, right in zip(node.values, node.values[1:], strict=False):
                    edit = self.between(left, right, old, new, "boolean")
                    if edit is not None:
                        yield edit
            case ast.BinOp() if type(node.op) in ARITHMETIC and not (
                _is_sequence(node.left) or _is_sequence(node.right)
            ):
                old, new = ARITHMETIC[type(node.op)]
                edit = self.between(node.left, node.right, old, new, "arithmetic")
                if edit is not None:
                    yield edit
            case ast.UnaryOp(op=ast.Not() | ast.USub()):
                yield self.replace(node, self.text(node.operand), "negate")
            case ast.IfExp():
                yield from self.condition(node.test)
            case ast.Constant(value=bool()):
                yield self.replace(node, str(not node.value), "constant")
            case ast.Constant(value=int()):
                assert isinstance(node.value, int)
                yield self.replace(node, str(node.value + 1), "constant")
                if node.value > 0:
                    yield self.replace(node, str(node.value - 1), "constant")
            case ast.Call(func=ast.Name(id="min" | "max" | "any" | "all")):
                assert isinstance(node.func, ast.Name)
                other = {"min": "max", "max": "min", "any": "all", "all": "any"}[node.func.id]
                yield self.replace(node.func, other, "call", f"`{_short(self.text(node))}`: {node.func.id} -> {other}")
            case _:
                pass

    def comparison(self, node: ast.Compare) -> Iterator[Edit]:
        operands = [node.left, *node.comparators]
        for op, left, right in zip(node.ops, operands, operands[1:], strict=False):
            old, new = COMPARISONS[type(op)]
            edit = self.between(left, right, old, new, "comparison")
            if edit is not None:
                yield edit


def _short(text: str, most: int = SNIPPET_MAX) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 2] + ".."


def _is_log(call: ast.Call) -> bool:
    """`...log.warning(...)` and the like."""
    func = call.func
    if not isinstance(func, ast.Attribute) or func.attr not in ("debug", "info", "warning", "error"):
        return False
    owner = func.value
    return (isinstance(owner, ast.Attribute) and owner.attr == "log") or (
        isinstance(owner, ast.Name) and owner.id == "log"
    )


def _is_sequence(node: ast.expr) -> bool:
    """Whether `node` is plainly a list or a text, with which no other arithmetic works."""
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    return is_text or isinstance(node, ast.List | ast.JoinedStr | ast.ListComp)


def _is_refusal_of_use(node: ast.Raise) -> bool:
    """An abstract method, or a call that no correct caller makes: no behaviour of the engine's."""
    raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return isinstance(raised, ast.Name) and raised.id in ("NotImplementedError", "AssertionError")


def _is_amount(node: ast.AnnAssign) -> bool:
    """Whether a module-level constant is a limit or a time, and no code or name."""
    if node.value is None or not isinstance(node.target, ast.Name):
        return False
    value = node.value
    if isinstance(value, ast.Constant):
        return isinstance(value.value, int) and (value.value >= CODE_MAX or AMOUNT.search(node.target.id) is not None)
    return isinstance(value, ast.BinOp) and not isinstance(value.op, ast.BitOr)
