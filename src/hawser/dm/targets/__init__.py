"""Device-mapper targets other than multipath. Importing this package registers all of them."""

from hawser.dm.targets import delay, dust, error, flakey, linear, raid1, striped, zero

__all__ = ["delay", "dust", "error", "flakey", "linear", "raid1", "striped", "zero"]
