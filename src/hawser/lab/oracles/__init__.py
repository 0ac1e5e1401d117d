"""What must be true of every run, judged while it goes on."""
