"""The alphabet: units, status codes, clock, timers, turn, generator, histogram, trace points, log sink."""
