"""A temporary directory for unix sockets, whose names the system limits."""

import os
import tempfile

from hawser.exports.listen_uri import SUN_PATH_MAX


def short_directory(longest: str) -> str:
    """A new directory in which a socket may be called `longest`, wherever TMPDIR points. Whoever asks for it removes it."""
    directory = tempfile.mkdtemp(prefix="hawser-")
    if len(os.fsencode(directory)) + len("/") + len(longest) <= SUN_PATH_MAX:
        return directory
    os.rmdir(directory)
    return tempfile.mkdtemp(prefix="hawser-", dir="/tmp")
