"""What a real kernel needs per I/O, counted in instructions."""
