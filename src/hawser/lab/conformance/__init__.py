"""Replay of kernel transcripts: who runs the steps sees only what was asked, who compares sees only what was answered."""
