"""The model: paths that cost time and hold no data, for experiments in virtual time."""
