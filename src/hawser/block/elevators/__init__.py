"""I/O schedulers."""
