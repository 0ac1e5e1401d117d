"""Virtual time round the engine: simulated storage, workloads, faults, oracles."""
