"""What people type and see: the hawser command."""
