"""Which containers are opened: those whose frames lie in the file itself."""

import av

# Those that name other files or addresses, to be read in their place.
REFERRING = {
    "concat",
    "dash",
    "hls",
    "image2",
    "imf",
    "rtsp",
    "sdp",
    "webm_dash_manifest",
}
# For FFmpeg's options. Only local files, in any other format that it knows.
PROTOCOLS = "file"
FORMATS = ",".join(sorted(av.formats_available - REFERRING))
