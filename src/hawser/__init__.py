"""hawser: device-mapper multipath as an engine in userspace."""

__version__ = "0.1.0"
