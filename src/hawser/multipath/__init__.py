"""The multipath target: priority groups, path selectors, hardware handlers, failover, fences."""
