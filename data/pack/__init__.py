"""Puts the videos of a data set into a few large files; see `data.pack.__main__`."""
