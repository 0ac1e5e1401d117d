"""`--against REV`: another revision of ourselves, built compiled in a worktree and environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.cases import BenchError
from bench.contenders import Edition
from bench.fio import last_line
from bench.heading import build_of

GIT_TIMEOUT_S = 60.0
BUILD_TIMEOUT_S = 1800.0


@contextmanager
def built(root: Path, revision: str, directory: Path) -> Iterator[Edition]:
    """The revision stays installed below `directory` for the length of the block."""
    try:
        commit = _git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    except BenchError as error:
        raise BenchError(f"--against {revision}: names no commit of this repository") from error
    tree, venv = directory / "tree", directory / "venv"
    _git(root, "worktree", "add", "--detach", str(tree), commit)
    try:
        yield _install(tree, venv, f"hawser@{commit[:7]}")
    finally:
        _git(root, "worktree", "remove", "--force", str(tree))


def _install(tree: Path, venv: Path, name: str) -> Edition:
    python = venv / "bin" / "python"
    _run([sys.executable, "-m", "venv", str(venv)], tree, "venv", BUILD_TIMEOUT_S)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(tree)]
    _run(install, tree, "pip", BUILD_TIMEOUT_S)
    return Edition(name, (str(venv / "bin" / "hawser"),), build_of(python, venv), ours=False)


def _git(root: Path, *arguments: str) -> str:
    return _run(["git", *arguments], root, f"git {arguments[0]} {arguments[-1]}", GIT_TIMEOUT_S).strip()


def _run(command: list[str], directory: Path, shown: str, timeout_s: float) -> str:
    environment = {**os.environ, "HAWSER_BUILD": "compiled"}
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{shown}: not done within {timeout_s:.0f} s") from error
    if done.returncode != 0:
        raise BenchError(f"{shown}: exit status {done.returncode}: {last_line(done.stderr)}")
    return done.stdout
