"""The facts of a data set as one page that needs nothing else."""

from pathlib import Path, PurePosixPath

import numpy as np

from data.check.facts import splits_of
from data.check.table import findings
from data.decoding.errors import DecodeError
from data.sources.frozen_split import SPLITS
from storage.pages import jpeg_url, render
from storage.pictures import jpeg

THUMBNAILS, SIDE = 4, 112  # of each class, and their height and width in pixels
EVERY = 1 << 30


def write_page(source, data, facts, root):
    """The page as text: findings, classes, and a few pictures of each.

    Args:
        source: the `data.sources.base.Source`.
        data: the `configs.schema.Data` by which it is divided.
        facts: its `Facts`.
        root: what the page calls the data set.

    Returns:
        str of HTML; names from outside are text in it, whatever they are made of.
    """
    return render(
        Path(__file__).with_suffix(".html"),
        root=root,
        facts=facts,
        splits=SPLITS,
        findings=[line.partition(": ") for line in findings(facts, most=EVERY)],
        pictures=_pictures(source, splits_of(source, data)),
        largest=max(sum(row.counts.values()) for row in facts.classes),
        side=SIDE,
    )


def _pictures(source, splits):
    """For each class a list of (name of the file, split, picture as a data URL)."""
    members = [[] for _ in source.listing.class_names]
    for i, label in enumerate(source.listing.labels):
        if splits[i] and not source.videos[i].reason:
            members[label].append(i)
    pictures = []
    for own in members:
        spread = np.linspace(0, len(own) - 1, min(THUMBNAILS, len(own))).astype(int)
        chosen = [(own[k], _middle_frame(source, own[k])) for k in spread]
        pictures.append(
            [
                (PurePosixPath(source.listing.names[i]).name, splits[i], picture)
                for i, picture in chosen
                if picture
            ]
        )
    return pictures


def _middle_frame(source, i):
    """The middle square of the middle frame; None where it cannot be decoded."""
    video = source.videos[i]
    out = np.empty([1, 1, 3, SIDE, SIDE], np.uint8)
    side = min(video.height, video.width)
    square = ((video.height - side) // 2, (video.width - side) // 2, side, side)
    try:
        source.read(
            i,
            frames=np.array([video.frames // 2]),
            regions=[square],
            size=SIDE,
            flip=False,
            out=out,
        )
    except DecodeError:
        return None
    return jpeg_url(jpeg(out[0, 0].transpose(1, 2, 0)))
