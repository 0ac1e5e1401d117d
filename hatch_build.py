"""The build hook: a wheel compiled by mypyc where that is possible, a pure one elsewhere, and it says which.

`HAWSER_BUILD` decides: `auto` (the default) compiles when a C compiler and Python's headers are there and
falls back to the pure wheel otherwise; `pure` never compiles; `compiled` makes each reason to fall back fatal.

All modules form one mypyc group, so calls between them stay native. Each becomes a C file of its own, which
keeps every core busy (one file for all took twice the time). `HAWSER_BUILD_CACHE` may name a directory to
keep: an object is then compiled again only if its C text, a header or a flag changed. Nothing is ever
written below `src/`: a compiled module there would shadow edits.

`CC` names the compiler, `HAWSER_OPT` the optimisation level (default 3); `CFLAGS`, `LDFLAGS` are added last.
"""

import atexit
import contextlib
import hashlib
import io
import os
import runpy
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

GROUP = "hawser"
MODES = ("auto", "pure", "compiled")
PROBE = "#include <Python.h>\nint hawser_probe(void) { return PY_VERSION_HEX != 0; }\n"


class CannotCompileError(Exception):
    """Why there is no compiled wheel: one line, or the tool's own words."""


class CompileHook(BuildHookInterface[Any]):
    """Adds the compiled modules to the wheel, or leaves it pure."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before the wheel's files are gathered."""
        mode = os.environ.get("HAWSER_BUILD") or "auto"
        if mode not in MODES:
            raise SystemExit(f"HAWSER_BUILD={mode}: must be one of {', '.join(MODES)}")
        if version == "editable":
            say("interpreted build: an editable install runs the sources")
        elif mode == "pure":
            say("interpreted build: HAWSER_BUILD=pure")
        else:
            self._add_libraries(build_data, must=mode == "compiled")

    def _add_libraries(self, build_data: dict[str, Any], *, must: bool) -> None:
        started = time.monotonic()
        root = Path(self.root)
        package_dir = root / "src" / "hawser"
        sources: list[Path] = runpy.run_path(str(package_dir / "build_info.py"))["compiled_sources"](package_dir)
        try:
            libraries = Compilation(root, build_directory()).run(sources)
        except CannotCompileError as reason:
            if must:
                raise SystemExit(f"hawser: HAWSER_BUILD=compiled, but {reason}") from None
            say(f"interpreted build: {reason}")
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["force_include"].update(libraries)
        say(f"compiled build: {len(sources)} modules in {time.monotonic() - started:.0f} s")


class Compilation:
    """One run of mypyc and of the C compiler, with everything that it writes below `build_dir`."""

    def __init__(self, root: Path, build_dir: Path) -> None:
        self.root = root
        self.c_dir = build_dir / "c"
        self.object_dir = build_dir / "o"
        self.library_dir = build_dir / "lib"
        self.headers_digest = ""
        self.compiler = find_compiler()

    def run(self, sources: list[Path]) -> dict[str, str]:
        """Compile `sources`; answers with each library's file and its place in the wheel."""
        if not sources:
            raise CannotCompileError("there is no module to compile")
        shutil.rmtree(self.library_dir, ignore_errors=True)
        for directory in (self.c_dir, self.object_dir, self.library_dir):
            directory.mkdir(parents=True, exist_ok=True)
        self._probe()
        extensions = self._to_c(sources)
        self.headers_digest = digest(path.read_bytes() for path in sorted(self.c_dir.rglob("*.h")))
        jobs = [(extension, Path(c_file)) for extension in extensions for c_file in extension.sources]
        # The longest first, so that no core is left alone with a big file at the end.
        jobs.sort(key=lambda job: -job[1].stat().st_size)
        in_parallel(lambda job: self._compile(*job), jobs)
        in_parallel(self._link, extensions)
        libraries = [self._library(extension) for extension in extensions]
        return {str(path): path.relative_to(self.library_dir).as_posix() for path in libraries}

    def _probe(self) -> None:
        probe = self.c_dir / "probe.c"
        probe.write_text(PROBE)
        try:
            run([*self._compile_command([], []), "-c", str(probe), "-o", str(self.object_dir / "probe.o")])
        except CannotCompileError as error:
            raise CannotCompileError(f"no working C compiler with the headers of Python: {error}") from None

    def _to_c(self, sources: list[Path]) -> list[Any]:
        """Sources to C by mypyc: one extension for the group's library, one shim for each module."""
        from mypyc.build import mypycify

        # Strictness is the linter's business: here a type error matters only if mypyc cannot go on.
        arguments = ["--config-file=", "--ignore-missing-imports", "--no-error-summary"]
        arguments += [str(path.relative_to(self.root)) for path in sources]
        words = io.StringIO()
        try:
            with contextlib.chdir(self.root), contextlib.redirect_stdout(words):
                extensions: list[Any] = mypycify(
                    arguments,
                    opt_level=os.environ.get("HAWSER_OPT") or "3",
                    debug_level="0",
                    multi_file=True,
                    target_dir=str(self.c_dir),
                    group_name=GROUP,
                )
        except SystemExit as error:
            raise CannotCompileError(f"mypyc refused the sources ({error.code}):\n{words.getvalue()}") from None
        sys.stdout.write(words.getvalue())
        return extensions

    def _compile(self, extension: Any, c_file: Path) -> None:
        """Compile one C file, unless the object of exactly this text, these headers and flags is there."""
        command = self._compile_command(extension.include_dirs, extension.extra_compile_args)
        key = digest([c_file.read_bytes(), self.headers_digest.encode(), shlex.join(command).encode()])
        target = self._object(c_file)
        seal = target.with_suffix(".key")
        if target.exists() and seal.exists() and seal.read_text() == key:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        seal.unlink(missing_ok=True)
        run([*command, "-c", str(c_file), "-o", str(target)])
        seal.write_text(key)

    def _link(self, extension: Any) -> None:
        library = self._library(extension)
        library.parent.mkdir(parents=True, exist_ok=True)
        objects = [str(self._object(Path(c_file))) for c_file in extension.sources]
        linker = [*self.compiler, *words_of("LDSHARED")[1:]]
        run([*linker, *objects, "-o", str(library), *shlex.split(os.environ.get("LDFLAGS") or "")])

    def _compile_command(self, include_dirs: Iterable[str], flags: Iterable[str]) -> list[str]:
        includes = [f"-I{path}" for path in (*include_dirs, sysconfig.get_path("include"))]
        given = shlex.split(os.environ.get("CFLAGS") or "")
        # mypyc asks for -Werror; another compiler's new warning must not cost the compiled build.
        common = [*words_of("CFLAGS"), *words_of("CCSHARED"), *includes]
        return [*self.compiler, *common, *flags, "-Wno-error", *given]

    def _object(self, c_file: Path) -> Path:
        return self.object_dir / c_file.relative_to(self.c_dir).with_suffix(".o")

    def _library(self, extension: Any) -> Path:
        name: str = extension.name.replace(".", "/")
        return self.library_dir / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"


def build_directory() -> Path:
    """The directory that is kept, if one is named; else one that goes when this process ends, however it ends."""
    kept = os.environ.get("HAWSER_BUILD_CACHE")
    if kept:
        return Path(kept).resolve() / str(sys.implementation.cache_tag)
    scratch = tempfile.mkdtemp(prefix="hawser-build-")
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    return Path(scratch)


def find_compiler() -> list[str]:
    """`CC`, else the compiler that built Python, else whatever the system calls `cc`, as a command."""
    candidates = [shlex.split(os.environ.get("CC") or ""), words_of("CC"), ["cc"], ["gcc"], ["clang"]]
    for command in candidates:
        if command and shutil.which(command[0]):
            return command
    raise CannotCompileError("there is no C compiler")


def run(command: list[str]) -> None:
    """Run a command; its own words become the reason if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotCompileError(f"{shlex.join(command)} failed:\n{done.stderr.strip()}")


def in_parallel(work: Callable[[Any], None], items: list[Any]) -> None:
    """`work` for each item, on as many cores as there are; the first failure is raised when all ended."""
    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        for result in [pool.submit(work, item) for item in items]:
            result.result()


def words_of(variable: str) -> list[str]:
    """A variable of Python's own build, as words."""
    return shlex.split(sysconfig.get_config_var(variable) or "")


def digest(parts: Iterable[bytes]) -> str:
    """One name for several byte strings in their order."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(len(part).to_bytes(8, "big") + part)
    return sha.hexdigest()


def say(line: str) -> None:
    """Tell the person who builds; pip shows it only when asked to be verbose."""
    print(f"hawser: {line}", file=sys.stderr, flush=True)
