# make demo | demo-kernel | demo-operator | demo-researcher | test | conformance | lint | bench | soak | mutants | requirements | ghost-write | stalls | mptest: each does all the set-up it needs. PYTHON names a Python 3.11 or newer.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
PURE := .venv-pure
BIN := $(VENV)/bin
export PYTHON

TEST_ARGS ?=
BENCH_ARGS ?=
DEMO_ARGS ?=
MUTANT_ARGS ?=
REQUIREMENT_ARGS ?=
GHOST_ARGS ?=
STALL_ARGS ?=
MPTEST_ARGS ?=
# Four workers, on two cores: most of the time of the interop tests is waiting. A file stays on one worker, so that a story's tests
# share what they set up.
TEST_JOBS ?= 4
MYPY_FILES = src tests tools hatch_build.py $(wildcard bench)

.PHONY: help setup setup-test build pure demo demo-kernel demo-operator demo-researcher test test-pure conformance lint format bench soak mutants requirements ghost-write stalls mptest clean

help:
	@sed -n '1s/^# //p' Makefile

# The compiled wheel, in .venv. Built again only when something changed.
setup:
	@tools/debian-packages.sh build
	@tools/install.sh $(VENV) $${HAWSER_BUILD:-auto} test dev lab

setup-test: setup
	@tools/debian-packages.sh test

# The same tree, interpreted, in .venv-pure.
pure:
	@tools/debian-packages.sh build
	@tools/install.sh $(PURE) pure test lab

# Build and install again, changed or not.
build:
	@rm -f $(VENV)/hawser-stamp
	@$(MAKE) --no-print-directory setup

demo: setup
	@$(BIN)/hawser demo $(DEMO_ARGS)

# For a kernel developer: one script on Linux and on hawser, empty diff; and a sign that flips.
demo-kernel: setup
	@$(BIN)/hawser demo kernel $(DEMO_ARGS)

# For an operator: a database over two servers, one killed, one black-holed. Figures and results go to build/demo-operator.
demo-operator: setup-test
	@$(BIN)/hawser demo operator --into build/demo-operator $(DEMO_ARGS)

# For a researcher: a selector of one's own against Linux's five while a path is gray.
demo-researcher: setup
	@$(BIN)/hawser demo researcher --into build/demo-researcher $(DEMO_ARGS)

test: setup-test
	HAWSER_EXPECT_BUILD=$$(cat $(VENV)/hawser-build) $(BIN)/python -m pytest \
	    -n $(TEST_JOBS) --dist loadfile $(TEST_ARGS)

# The engine's tests again, interpreted.
ENGINE_TESTS := $(wildcard $(addprefix tests/,core block dm multipath manager nbd scsi lab))
test-pure: pure
	HAWSER_EXPECT_BUILD=$$(cat $(PURE)/hawser-build) $(PURE)/bin/python -m pytest \
	    -n $(TEST_JOBS) --dist loadfile -m "not soak and not interop" tests/test_frame.py $(ENGINE_TESTS) $(TEST_ARGS)

# Kernel transcripts, replayed. DIR is any folder of the same format.
DIR ?= tests/conformance/transcripts
conformance: setup
	@$(BIN)/hawser lab conformance $(DIR)

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(MYPY_FILES)
	PYTHONPATH=src $(BIN)/lint-imports
	$(BIN)/python tools/check_engine_imports.py

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# AGAINST=<rev> compares two builds of ourselves.
bench: setup-test pure
	$(BIN)/python -m bench $(if $(AGAINST),--against $(AGAINST)) $(BENCH_ARGS)

soak: setup-test
	$(BIN)/python -m pytest -m soak -n $(TEST_JOBS) --dist load --timeout 3600 $(TEST_ARGS)

# Wrong versions of the engine, and what notices them; writes docs/mutants.md. MUTANT_ARGS="--resume" goes on.
mutants: setup-test
	$(BIN)/python -m tools.mutants $(MUTANT_ARGS)

# Takes the rules of 20 requirements, drawn at random, out of the engine: the tests that docs/requirements.md names must fail.
requirements: setup-test
	$(BIN)/python -m tools.requirements $(REQUIREMENT_ARGS)

# The hazard table afresh, on real servers: a naive resend beside hawser as shipped. GHOST_ARGS="--help" says what else can be tried.
ghost-write: setup-test
	@$(BIN)/python -m tools.ghost_write $(GHOST_ARGS)

# How long the slowest I/O takes when a path dies, and what waits behind a fence, on real servers; half an hour on a machine that has
# nothing else to do. STALL_ARGS="--quick" takes two minutes.
stalls: setup-test
	@$(BIN)/python -m tools.stalls $(STALL_ARGS)

# The cases of mptest in every queue mode, 30 s each, with fio on real servers: nine minutes. MPTEST_ARGS="--quick" takes two.
mptest: setup-test
	@$(BIN)/python -m tools.mptest $(MPTEST_ARGS)

clean:
	rm -rf $(VENV) $(PURE) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests tools -name __pycache__ -prune -exec rm -rf {} +
