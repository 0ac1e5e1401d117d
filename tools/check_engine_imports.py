"""Refuses what the engine may not use: any import outside an allow-list, and the built-ins that do I/O.

The engine is pure: bytes and events in, commands out. The contracts in pyproject.toml name what it must not
import; this is the other half, a list of what it may, so that nothing unnamed slips in.
Exit status 1 and one line for each offence, `file:line: what`.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "hawser"

ENGINE = ("core", "block", "dm", "multipath", "manager", "nbd", "scsi")

ALLOWED = frozenset(
    {
        "__future__",
        "abc",
        "bisect",
        "collections",
        "dataclasses",
        "enum",
        "functools",
        "hashlib",
        "heapq",
        "itertools",
        "math",
        "mypy_extensions",
        "operator",
        "re",
        "struct",
        "types",
        "typing",
        "zlib",
    }
)

FORBIDDEN_CALLS = frozenset({"__import__", "breakpoint", "eval", "exec", "input", "open", "print"})


def imported_modules(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every absolute import at any depth: its line, and the dotted module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            # A relative import stays inside the package; which room it may reach is a contract's business.
            yield node.lineno, "hawser" if node.level or node.module is None else node.module


def forbidden_calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every call by its bare name of a built-in that touches the world."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
            yield node.lineno, node.func.id


def is_allowed(module: str) -> bool:
    """Whether an engine file may import `module`: the allow-list, and other rooms of the engine."""
    parts = module.split(".")
    if parts[0] != "hawser":
        return parts[0] in ALLOWED
    return len(parts) == 1 or parts[1] in ENGINE


def offences(path: Path) -> Iterator[str]:
    """What is wrong with one file, a line each."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    where = path.relative_to(ROOT)
    for line, module in imported_modules(tree):
        if not is_allowed(module):
            yield f"{where}:{line}: the engine may not import {module}"
    for line, name in forbidden_calls(tree):
        yield f"{where}:{line}: the engine may not call {name}()"


def main() -> int:
    """Check every file of every room of the engine."""
    files = sorted(path for room in ENGINE for path in (PACKAGE / room).rglob("*.py"))
    found = [offence for path in files for offence in offences(path)]
    print("\n".join(found) if found else f"engine imports: {len(files)} files, all allowed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
