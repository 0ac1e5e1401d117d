"""What a verb of the control socket says when it cannot be done."""


class ControlVerbError(ValueError):
    """The text is for the person who asked."""
