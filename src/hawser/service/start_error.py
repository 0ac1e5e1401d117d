"""Why a server cannot start."""


class StartError(Exception):
    """The message names what is in the way."""
