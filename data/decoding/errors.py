"""What goes wrong when a video is decoded."""


class DecodeError(Exception):
    """A file does not hold the frames that were asked for."""
