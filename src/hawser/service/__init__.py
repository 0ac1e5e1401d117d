"""The real world round the engine: process, event loop, control socket, probes."""
