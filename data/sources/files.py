"""Sources whose videos lie in files of their own."""

import dataclasses

from absl import logging

from data.decoding.video import read_clip
from data.scan import ScanCache, scan_videos
from data.sources.base import Source


@dataclasses.dataclass(frozen=True, kw_only=True)
class Files(Source):
    """Videos that lie in files of their own, at the paths of the listing."""

    def read(self, video, *, frames, regions, size, flip, out):
        """See `Source.read`."""
        read_clip(
            self.listing.paths[video],
            self.videos[video],
            frames=frames,
            regions=regions,
            size=size,
            flip=flip,
            out=out,
        )


def open_files(listing, root, *, after_video):
    """The source of a listing's files, which are scanned unless that is remembered.

    Args:
        listing: `Listing` with paths.
        root: the directory in which the scan is remembered.
        after_video: called after each file that had to be scanned.

    Returns:
        Files.
    """
    videos = scan_videos(listing.paths, cache=ScanCache(root), after_video=after_video)
    tell_notes(videos)
    return Files(listing=listing, videos=videos)


def tell_notes(videos):
    """Logs how many videos are not read as usual.

    Args:
        videos: list of `data.scan.Video`.
    """
    notes = [video.note for video in videos if video.note]
    if notes:
        logging.warning(
            "%d of %d videos are not read as usual; python -m data.scan says why. One "
            "is %s.",
            len(notes),
            len(videos),
            notes[0],
        )


def scan_listings(listings, root, *, processes):
    """Scans the files of several listings, each file once.

    Args:
        listings: list of `Listing` with paths.
        root: see `scan_files`, as for all that follow.
        processes: int.

    Returns:
        list of (name, `Video`).
    """
    names = {}
    for listing in listings:
        names |= dict(zip(listing.paths, listing.names, strict=True))
    return scan_files(names, root, processes=processes)


def scan_files(names, root, *, processes):
    """Scans files.

    Args:
        names: dict of path -> name.
        root: the directory in which the scan is remembered.
        processes: how many files are decoded at once; 0 takes one for each core.

    Returns:
        list of (name, `Video`).
    """
    videos = scan_videos(list(names), cache=ScanCache(root), processes=processes)
    return list(zip(names.values(), videos, strict=True))
