"""Budget: how many bytes of clients' data may be in memory, of all clients together: what is in flight, and what is
being received."""


class Budget:
    """Reads and small writes are counted when they are taken, so the limit may be overshot by one command per client;
    a large payload is reserved before it is received."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.taken_bytes = 0

    def take(self, size: int) -> bool:
        """Reserve `size` bytes if they are there. An empty budget grants any size, so that nothing waits for ever."""
        if self.taken_bytes and self.taken_bytes + size > self.limit_bytes:
            return False
        self.taken_bytes += size
        return True

    def give(self, size: int) -> None:
        """Give back what was reserved."""
        assert size <= self.taken_bytes
        self.taken_bytes -= size

    def is_plentiful(self) -> bool:
        """Whether those who wait for memory may go on."""
        return self.taken_bytes <= self.limit_bytes // 2
