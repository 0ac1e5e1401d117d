"""Device-mapper targets other than multipath. Importing this package registers all of them."""

from hawser.dm.targets import error, linear, zero

__all__ = ["error", "linear", "zero"]
