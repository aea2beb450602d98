"""Reads folders of pictures, the frames of a video in each, as others extract them.

    root/cooking/monday/img_00001.jpg …     class folders, at any depth below them one
                                            folder for each video

Classes and splits are those of `data.sources.folder`. `data.frame_pattern` says which
pictures of a folder count, as in img_*.jpg where flow_x_*.jpg lie beside them.
"""

import dataclasses
import fnmatch
import functools
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor

from tqdm import tqdm

from configs.command.errors import DataError
from data.decoding.errors import DecodeError
from data.decoding.reader import thread_count
from data.decoding.video import decode_picture, read_pictures
from data.scan import ScanCache, Video, state_of
from data.sources.base import Source
from data.sources.folder import list_folder
from data.sources.tree import arrange, walk

ENDINGS = frozenset((".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"))
SAVE_EVERY = 30.0  # seconds


class Pictures:
    """The coded pictures of a folder, which are read when they are asked for."""

    def __init__(self, folder, pattern):
        """Lists the folder.

        Args:
            folder: its path.
            pattern: see `data.frame_pattern`.

        Raises:
            DecodeError: it cannot be listed.
        """
        try:
            names = os.listdir(folder)
        except OSError as error:
            raise DecodeError(f"cannot be listed: {error.strerror}") from error
        self._paths = [
            os.path.join(folder, name)
            for name in sorted(names, key=_order)
            if is_frame(name, pattern)
        ]

    def __len__(self):
        """How many there are."""
        return len(self._paths)

    def __getitem__(self, number):
        """The bytes of one.

        Raises:
            DecodeError: it cannot be read.
        """
        try:
            with open(self._paths[number], "rb") as file:
                return file.read()
        except OSError as error:
            raise DecodeError(
                f"frame {number} cannot be read: {error.strerror}"
            ) from error


@dataclasses.dataclass(frozen=True, kw_only=True)
class Frames(Source):
    """Videos whose frames are pictures in a folder of their own.

    Attributes:
        pattern: see `data.frame_pattern`.
    """

    pattern: str

    def read(self, video, *, frames, regions, size, flip, out):
        """See `Source.read`."""
        expected = self.videos[video]
        read_pictures(
            self.pictures(video),
            frames=frames,
            regions=regions,
            size=size,
            flip=flip,
            shape=(expected.decoded_height, expected.decoded_width),
            out=out,
        )

    def pictures(self, video):
        """The coded pictures of one video: `Pictures`.

        Raises:
            DecodeError: its folder cannot be listed.
        """
        return Pictures(self.listing.paths[video], self.pattern)


def open_frames(data, *, after_video, keep_split=True, run_split=None):
    """See `data.sources.open_source`."""
    find = functools.partial(find_frames, pattern=data.frame_pattern)
    listing = list_folder(data, keep_split=keep_split, run_split=run_split, find=find)
    videos = _scan(listing.paths, data, data.threads, after_video)
    return Frames(listing=listing, videos=videos, pattern=data.frame_pattern)


def scan_frames(data, *, processes):
    """See `data.sources.scan_source`; draws no split, and decodes in threads."""
    found = find_frames(data.root, pattern=data.frame_pattern)
    videos = _scan([video.path for video in found], data, processes, lambda: None)
    return [(f.name, video) for f, video in zip(found, videos, strict=True)]


def find_frames(root, *, pattern):
    """The folders of pictures in the class folders of a directory, sorted by name.

    Args:
        root: the directory.
        pattern: see `data.frame_pattern`.

    Returns:
        list of `data.sources.tree.Found`.

    Raises:
        DataError: see `data.sources.tree.find_videos`.
    """
    folders = {
        parts[:-1]: os.path.dirname(path)
        for parts, path in walk(root, ENDINGS)
        if is_frame(os.path.basename(path), pattern)
    }
    if () in folders:
        raise DataError(
            f"data.root must hold class folders, each with a folder of pictures for "
            f"each video; {str(root)!r} holds pictures itself."
        )
    return arrange(sorted(folders.items()), root, ENDINGS)


def is_frame(name, pattern):
    """Whether a file is a frame, by its name.

    Args:
        name: of the file.
        pattern: see `data.frame_pattern`.
    """
    ending = os.path.splitext(name)[1].lower()
    hidden = name.startswith(".")
    return ending in ENDINGS and not hidden and fnmatch.fnmatchcase(name, pattern)


def _order(name):
    """Numbers in names count as numbers: img_2 comes before img_10."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _scan(paths, data, threads, after_video):
    """Tells what folders hold; those that the cache knows are not read again."""
    cache, pattern = ScanCache(data.root), data.frame_pattern
    found = {path: cache.get(path) for path in paths}
    unknown = [p for p, v in found.items() if v is None or v.codec != codec(pattern)]
    saved = time.monotonic()
    with ThreadPoolExecutor(thread_count(threads)) as pool:
        states = [state_of(path) for path in unknown]
        tasks = pool.map(lambda path: inspect(path, pattern), unknown)
        bar = tqdm(tasks, "scan", len(unknown), unit="video", disable=None)
        for path, state, video in zip(unknown, states, bar, strict=True):
            found[path] = video
            cache.put(path, video, state=state)
            after_video()
            if time.monotonic() - saved > SAVE_EVERY:
                cache.save()
                saved = time.monotonic()
    if unknown:
        cache.save()
    return tuple(found[path] for path in paths)


def codec(pattern):
    """What `Video.codec` says of a folder: which pictures in it were looked at."""
    return f"pictures {pattern}"


def inspect(folder, pattern):
    """Decodes every picture of a folder and tells what they are.

    Args:
        folder: its path.
        pattern: see `data.frame_pattern`.

    Returns:
        `Video`; a bad one has a reason.
    """
    try:
        return inspect_pictures(Pictures(folder, pattern), codec(pattern))
    except DecodeError as error:
        return Video(reason=str(error), codec=codec(pattern))


def inspect_pictures(pictures, codec):
    """Decodes every picture of a video and tells what they are.

    Args:
        pictures: sequence of the bytes of each.
        codec: of the `Video`.

    Returns:
        `Video`; a bad one has a reason.
    """
    shape = None
    try:
        for number in range(len(pictures)):
            image = decode_picture(pictures[number])
            if image is None:
                raise DecodeError(f"holds a frame {number} that cannot be decoded")
            if shape not in (None, image.shape[:2]):
                raise DecodeError(
                    "holds frames of several sizes: frame 0 has {} x {} pixels, frame "
                    "{} {} x {}".format(*shape[::-1], number, *image.shape[1::-1])
                )
            shape = image.shape[:2]
        if shape is None:
            raise DecodeError("holds no frame")
    except DecodeError as error:
        return Video(reason=str(error), codec=codec)
    height, width = shape
    count = len(pictures)
    return Video(
        frames=count,
        height=height,
        width=width,
        decoded_height=height,
        decoded_width=width,
        codec=codec,
        header_frames=count,
    )
