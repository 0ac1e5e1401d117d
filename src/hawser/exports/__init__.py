"""The client's edge of the real world: the servers that clients attach to."""
