"""The storage edge of the real world: drivers to files, block devices, RAM and NBD servers."""
