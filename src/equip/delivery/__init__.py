"""Delivering instrumented code: in memory, and as files on disk."""
