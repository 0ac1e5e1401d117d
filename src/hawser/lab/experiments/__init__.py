"""Experiments: what a policy, a mode or a setting does, in numbers. One small file each."""
