"""Mutants: does a test, a seed or an explored world notice when the engine is wrong?

`python -m tools.mutants` makes mutants of `block`, `dm` and `multipath`, one change each: a sample of small mechanical ones,
and the patches in `patches/`, which bring back real kernel bugs or break rules of our own. Each is applied to a private copy of
the source, never to the engine itself, and runs unit tests, seeds and exploration until one fails. docs/mutants.md has the
result.
"""
