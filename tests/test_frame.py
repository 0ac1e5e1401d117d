"""The frame: the build is what it claims, the installed package is what is tested, and files are tidy."""

import ast
import importlib
import os
import re
import sysconfig
from pathlib import Path

import pytest

import hawser
from hawser import build_info

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "hawser"

LINES_MAX = 450

# Directories that only one person's machine has, and the hosts and settings of package registries: none matches itself.
MACHINE_PATH = re.compile(r"(?<![.\w/-])/(?:work|farm|home/\w+|root|Users/\w+)/")
REGISTRY = re.compile(r"[i]ndex-url|[t]rusted-host|[f]ind-links|[r]egistry *= *\W?http|/[s]imple/")


def source_files() -> list[Path]:
    """Every Python file of the package's source, the tests and the tools."""
    places = [ROOT / name for name in ("src", "tests", "tools", "bench")]
    return [ROOT / "hatch_build.py", *sorted(path for place in places for path in place.rglob("*.py"))]


def text_files() -> list[Path]:
    """Every file that could name a machine or a registry."""
    fixed = [ROOT / name for name in ("Makefile", "pyproject.toml", ".pre-commit-config.yaml", ".ci/run")]
    return [*source_files(), *fixed, *ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tools/*.sh")]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_installed_package_is_under_test():
    installed = Path(hawser.__file__).resolve()
    assert installed.is_relative_to(Path(sysconfig.get_path("platlib")).resolve())


def test_the_build_is_what_was_asked_for():
    expected = os.environ.get("HAWSER_EXPECT_BUILD")
    if not expected:
        pytest.skip("HAWSER_EXPECT_BUILD is not set: any build will do")
    kinds = build_info.module_kinds()
    assert kinds
    assert {name: kind for name, kind in kinds.items() if kind != expected} == {}
    assert build_info.build_kind() == expected


@pytest.mark.parametrize("name", build_info.module_kinds())
def test_a_module_loads_from_where_it_is_said_to(name: str):
    loaded_from = importlib.import_module(name).__file__ or ""
    is_source = loaded_from.endswith(".py")
    assert is_source == (build_info.module_kinds()[name] == "interpreted")


def test_no_compiled_file_shadows_the_source():
    assert sorted(name_of(path) for path in (ROOT / "src").rglob("*.so")) == []


def test_an_excluded_module_exists_and_has_a_reason():
    for path, reason in build_info.INTERPRETED.items():
        found = SOURCE / path
        assert found.is_dir() if path.endswith("/") else found.is_file(), path
        assert reason


@pytest.mark.parametrize("path", source_files(), ids=name_of)
def test_a_file_is_one_idea(path: Path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= LINES_MAX, "past this length it holds more than one idea: split it"
    if path.name != "__init__.py" or text.strip():
        assert ast.get_docstring(ast.parse(text)), "the idea of the file stands in its docstring"


@pytest.mark.parametrize("path", text_files(), ids=name_of)
def test_a_file_names_no_machine_and_no_registry(path: Path):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        assert not MACHINE_PATH.search(line), f"line {number}: {line}"
        assert not REGISTRY.search(line), f"line {number}: {line}"
