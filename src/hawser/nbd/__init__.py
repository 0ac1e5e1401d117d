"""The NBD wire format as pure functions and state machines over bytes."""
