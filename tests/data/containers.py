"""Files put together or changed by hand, as encoders do not make them."""

import io
import struct

import numpy as np
from PIL import Image

SAMPLINGS = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}


def jpeg(level, width=32, height=24, sampling="4:2:0"):
    """A grey JPEG picture of one brightness."""
    picture = Image.fromarray(np.full((height, width, 3), level, np.uint8))
    file = io.BytesIO()
    picture.save(file, "JPEG", subsampling=SAMPLINGS[sampling], quality=95)
    return file.getvalue()


def counting_pictures(count, **options):
    """JPEG pictures of brightness 5 n."""
    return [jpeg(5 * n, **options) for n in range(count)]


def avi(pictures, *, width=32, height=24, fps=(25, 1), header_frames=None):
    """A Motion JPEG AVI file.

    Args:
        pictures: JPEG bytes of each frame; empty ones repeat the last frame.
        width, height: what the header says.
        fps: frames and the seconds that they last, as the header says.
        header_frames: frames that the header says; None tells the truth.
    """
    if header_frames is None:
        header_frames = len(pictures)
    chunks = [chunk(b"00dc", picture) for picture in pictures]
    index, offset = [], 4
    for part, picture in zip(chunks, pictures, strict=True):
        index.append(struct.pack("<4sIII", b"00dc", 16, offset, len(picture)))
        offset += len(part)
    main = struct.pack(
        "<14I", 40000, 0, 0, 16, header_frames, 0, 1, 0, width, height, 0, 0, 0, 0
    )
    stream = struct.pack(
        "<4s4sIIIIIIIIIIII",
        *(b"vids", b"MJPG", 0, 0, 0, fps[1], fps[0]),
        *(0, header_frames, 0, 0, 0, 0, 0),
    )
    picture_format = struct.pack(
        "<IiiHH4sIiiII", 40, width, height, 1, 24, b"MJPG", 0, 0, 0, 0, 0
    )
    header = chunk(b"avih", main) + group(
        b"strl", chunk(b"strh", stream) + chunk(b"strf", picture_format)
    )
    body = (
        group(b"hdrl", header)
        + group(b"movi", b"".join(chunks))
        + chunk(b"idx1", b"".join(index))
    )
    return group(b"AVI ", body, kind=b"RIFF")


def chunk(name, content):
    """A RIFF chunk, padded to an even length."""
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def group(name, content, kind=b"LIST"):
    """A RIFF list of chunks."""
    return chunk(kind, name + content)


def set_display_matrix(path, matrix):
    """Writes a display matrix into the track header of an MP4 file."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in matrix)
    fields = (a, b, 0, c, d, 0, 0, 0, 1 << 30)
    content[place : place + 36] = b"".join(
        field.to_bytes(4, "big", signed=True) for field in fields
    )
    path.write_bytes(content)
