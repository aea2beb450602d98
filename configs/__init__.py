"""Experiments, the schema they fill in, and the flags derived from it."""
