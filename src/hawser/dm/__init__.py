"""Device mapper: tables, targets, mapped devices, the two I/O modes, stacking rules."""
