"""Tests mirror the rooms of `src/hawser`; what they share is in `tests.support`."""
