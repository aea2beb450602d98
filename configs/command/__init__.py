"""The command line: one flag for each option, one way to start, errors that end it."""
