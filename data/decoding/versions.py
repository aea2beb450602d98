"""The releases of the libraries that decode, on which every decoded pixel depends."""

import av
import cv2


def decoder_versions():
    """Name of each library -> its version, as text."""
    libraries = ("libavcodec", "libavformat", "libswscale")
    ffmpeg = [".".join(map(str, av.library_versions[name])) for name in libraries]
    return {
        "OpenCV": cv2.__version__,
        "PyAV": av.__version__,
        "PyAV's FFmpeg": " ".join(ffmpeg),
    }
