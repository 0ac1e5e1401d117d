"""Programs that a transcript's steps run, each a generator of what it waits for; it returns its exit status."""
