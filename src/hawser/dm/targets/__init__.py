"""Device-mapper targets other than multipath; importing a module registers its target."""
