"""Whether a file has lost its end, by what its container says about itself."""

import os

# A file that lost its end is used if at least this fraction of its frames is left.
MIN_KEPT_FRACTION = 0.75


def is_cut_off(path, count, header_frames):
    """Whether a file has lost its end, and more than a few frames with it.

    Fewer frames than the header says do not prove it: AVI may leave out frames that
    repeat the last one, MP4 that was cut without coding it anew holds frames that are
    not shown, and other containers only estimate the number.

    Args:
        path: the file.
        count: how many frames decode.
        header_frames: how many there are according to the header.
    """
    if count >= MIN_KEPT_FRACTION * header_frames:
        return False
    with open(path, "rb") as file:
        start = file.read(12)
        size = file.seek(0, os.SEEK_END)
        if start[:4] == b"RIFF":
            return _end_of_chunks(file, size) > size
        return start[4:8] == b"ftyp" and _end_of_boxes(file, size) > size


def _end_of_chunks(file, size):
    """Where the last RIFF chunk of an AVI file ends by its header.

    Beyond one gigabyte a file has several (OpenDML AVI File Format Extensions).
    """
    position = 0
    while position + 8 <= size:
        file.seek(position)
        header = file.read(8)
        if header[:4] != b"RIFF":
            break
        length = int.from_bytes(header[4:], "little")
        position += 8 + length + length % 2
    return position


def _end_of_boxes(file, size):
    """Where the last box of an MP4 file ends by its header (ISO/IEC 14496-12, 4.2)."""
    position = 0
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:  # The length follows the name, in eight bytes.
            length = int.from_bytes(header[8:16], "big")
        if length == 0:  # The box lasts to the end of the file.
            return size
        position += max(length, 8)
    # Fewer bytes than a header needs are a box of which the rest is missing.
    return position if position >= size else size + 1
