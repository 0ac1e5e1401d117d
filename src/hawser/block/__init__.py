"""The block layer: bios, requests, plugs, merging, elevators, request queues, limits."""
