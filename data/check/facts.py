"""Counts what a data set holds, and finds what is wrong with it."""

import collections
import dataclasses
import os

import numpy as np

from data.identities import UNREADABLE, content_of, sampled
from data.sources.base import Source
from data.sources.frozen_split import SPLITS
from data.splits import divide

EMPTY = "0-"  # begins the content key of an empty file


@dataclasses.dataclass(frozen=True)
class ClassFacts:
    """One class.

    Attributes:
        name: of the class.
        counts: dict of split -> number of videos.
        recordings: how many recordings they come from, as far as their names tell.
        shortest: frames of its shortest video that can be read; 0 where none can.
        median: frames of its middle video.
    """

    name: str
    counts: dict[str, int]
    recordings: int
    shortest: int
    median: int


@dataclasses.dataclass(frozen=True)
class Copy:
    """Videos with the same content.

    Attributes:
        videos: list of (name, split).
    """

    videos: list[tuple[str, str]]

    @property
    def is_leak(self):
        """Whether one is trained on, and another validated or tested on."""
        splits = {split for _, split in self.videos}
        return "train" in splits and len(splits) > 1


@dataclasses.dataclass(frozen=True)
class Facts:
    """A data set.

    Attributes:
        classes: list of `ClassFacts`, in the order of the labels.
        counts: dict of split -> number of videos.
        recordings: how many recordings they come from, as far as their names tell.
        span: frames that a clip reaches over.
        short: how many videos have fewer.
        copies: list of `Copy`.
        bad: list of (name, split, reason) of videos that cannot be read.
        unused: how many videos are of no split with these options.
        unvalidated: whether data.validation=split has nothing to validate on, for which
            a run would refuse.
    """

    classes: list[ClassFacts]
    counts: dict[str, int]
    recordings: int
    span: int
    short: int
    copies: list[Copy]
    bad: list[tuple[str, str, str]]
    unused: int
    unvalidated: bool

    @property
    def leaks(self):
        """The copies of which one is trained on and another measured on."""
        return [copy for copy in self.copies if copy.is_leak]

    @property
    def imbalance(self):
        """Training videos of the largest class over those of the smallest."""
        sizes = [row.counts["train"] for row in self.classes]
        return max(sizes) / max(min(sizes), 1)


def facts_of(source, data):
    """The facts of a data set.

    Args:
        source: a `data.sources.base.Source`.
        data: the `configs.schema.Data` by which it is divided.

    Returns:
        Facts.

    Raises:
        DataError: see `data.splits.divide`; bad videos are none of its reasons.
    """
    listing, videos = source.listing, source.videos
    splits = splits_of(source, data)
    used = [i for i, split in enumerate(splits) if split]
    recordings = listing.recordings or listing.names
    span = data.frames
    if data.frame_sampling == "interval":
        span = (data.frames - 1) * data.frame_interval + 1
    readable = [i for i in used if not videos[i].reason]
    members = collections.defaultdict(list)
    for i in used:
        members[int(listing.labels[i])].append(i)
    return Facts(
        classes=[
            _class_facts(name, members[label], splits, recordings, videos)
            for label, name in enumerate(listing.class_names)
        ],
        counts=_counts(used, splits),
        recordings=len({recordings[i] for i in used}),
        span=span,
        short=sum(videos[i].frames < span for i in readable),
        copies=find_copies(listing, splits),
        bad=[
            (listing.names[i], splits[i], videos[i].reason)
            for i in used
            if videos[i].reason
        ],
        unused=len(splits) - len(used),
        unvalidated=data.validation == "split" and not listing.validation_size,
    )


def splits_of(source, data):
    """The split of each video: "train", "validation", "test"; "" where it has none.

    Bad videos are counted as if they were good, however many there are.
    """
    every = data
    if data.validation == "split" and not source.listing.validation_size:
        every = dataclasses.replace(every, validation="none")
    good = dataclasses.replace(source.videos[0], reason="")
    readable = Source(listing=source.listing, videos=(good,) * len(source.videos))
    train, validation, test = divide(readable, every)
    splits = [""] * len(source.listing.names)
    for split, indices in zip(SPLITS, (train, validation, test), strict=True):
        for i in indices:  # What validation=test only watches is of the test.
            splits[i] = split
    return splits


def _class_facts(name, members, splits, recordings, videos):
    frames = [videos[i].frames for i in members if not videos[i].reason]
    return ClassFacts(
        name,
        _counts(members, splits),
        len({recordings[i] for i in members}),
        min(frames, default=0),
        int(np.median(frames)) if frames else 0,
    )


def _counts(members, splits):
    counts = collections.Counter(splits[i] for i in members)
    return {split: counts[split] for split in SPLITS}


def find_copies(listing, splits):
    """Videos with the same content, under whatever names.

    Only files of equal sizes are looked into, as `content_key` does it.

    Args:
        listing: a `data.sources.base.Listing`; where it does not know what the videos'
            files hold, nothing is found.
        splits: the split of each video.

    Returns:
        list of `Copy`, those first that are leaks.
    """
    contents = collections.defaultdict(list)
    for i in _looked_into(listing, splits):
        contents[content_of(listing, i)].append(i)
    copies = [
        Copy([(listing.names[i], splits[i]) for i in same])
        for key, same in contents.items()
        if len(same) > 1 and not key.startswith((UNREADABLE, EMPTY))
    ]
    return sorted(copies, key=lambda copy: (not copy.is_leak, copy.videos))


def _looked_into(listing, splits):
    """Indices of the videos that may have copies, by the sizes of their files."""
    if listing.contents:
        return [i for i, split in enumerate(splits) if split]
    sizes = collections.defaultdict(list)
    for i, path in enumerate(listing.paths):
        if splits[i] and os.path.exists(path):
            sizes[os.path.getsize(sampled(path))].append(i)
    return [i for alike in sizes.values() if len(alike) > 1 for i in alike]
