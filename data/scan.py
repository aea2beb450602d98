"""What every video of a data set really holds."""

from concurrent.futures import ThreadPoolExecutor

from data.decode import DecodeError, inspect_video
from data.source import Video


def scan_videos(paths):
    """Decodes every video once.

    Returns:
        tuple of `Video`, bad ones with a reason.
    """
    with ThreadPoolExecutor() as pool:
        return tuple(pool.map(_scan_one, paths))


def _scan_one(path):
    try:
        return Video(**inspect_video(path))
    except DecodeError as error:
        return Video(reason=str(error))
