"""Exit statuses that several commands share."""

from typing import Final

# As a shell has it of a program that SIGINT has ended.
INTERRUPTED: Final = 130
