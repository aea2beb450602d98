"""Experiments; the schema that they fill in, and the command line made from it."""
