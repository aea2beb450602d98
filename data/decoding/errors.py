"""What goes wrong when a video is decoded."""


class DecodeError(Exception):
    """A file does not hold the frames that were asked for."""


class NotAVideo(DecodeError):
    """A file is something else, whatever else could be decoded from it."""
