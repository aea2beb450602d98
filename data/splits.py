"""Decides which videos of a source are trained on, validated on and tested on."""

import hashlib
import json

import numpy as np
from absl import logging

from configs.command.errors import DataError


def divide(source, data, leave_out=()):
    """Divides the listing; bad training videos are left out, bad test videos are not.

    Args:
        source: a `data.sources.base.Source`.
        data: a `configs.schema.Data`.
        leave_out: names of training videos that are left out though they can be read.

    Returns:
        (train, validation, test): int arrays of indices into the listing, in its order.

    Raises:
        DataError: too many training videos are bad, no video is left, or groups are
            asked for where the names have none.
    """
    listing = source.listing
    listed, held_out, test = listing.parts
    bad = bad_videos(source, listed)
    allowed = data.bad_allowed(len(listed))
    if len(bad) > allowed:
        name, reason = next(iter(bad.items()))
        raise DataError(
            f"{len(bad)} of {len(listed)} training videos cannot be read, "
            f"data.max_bad_fraction={data.max_bad_fraction} allows {allowed}; the "
            f"first is {name}: {reason}. Repair them (python -m data.scan lists all) "
            "or raise data.max_bad_fraction."
        )
    left_out = {*bad, *leave_out}
    good = np.array([i for i in listed if listing.names[i] not in left_out], np.int64)
    train, validation = _hold_out(listing, good, held_out, test, data)
    if not len(train):
        raise DataError("No training video is left that can be read.")
    return train, validation, test


def _hold_out(listing, good, held_out, test, data):
    """The videos to train on and those to validate on, as data.validation says."""
    if len(held_out) and data.validation != "split":
        logging.warning(
            "The %d videos of the validation split are not used with "
            "data.validation=%s; data.validation=split measures on them.",
            len(held_out),
            data.validation,
        )
    if data.validation == "groups":
        return _divide_groups(listing, good, data.validation_groups)
    if data.validation == "test":
        return good, test
    if data.validation == "none":
        return good, good[:0]
    if not len(held_out):
        raise DataError(
            "data.validation=split needs videos to validate on, and this data set has "
            "none: --data.validation=test watches the test videos, none measures "
            "nothing."
        )
    return good, held_out


def _divide_groups(listing, videos, groups):
    """Training and validation videos, the latter those of the given groups."""
    nameless = videos[listing.groups[videos] < 0]
    if len(nameless):
        raise DataError(
            "data.validation=groups needs names with a group number like _g01; "
            f"received {listing.names[nameless[0]]!r}."
        )
    chosen = np.isin(listing.groups[videos], groups)
    if not chosen.any():
        raise DataError(
            f"data.validation_groups must name groups of the training list, which has "
            f"{sorted(set(listing.groups[videos].tolist()))}; received {groups}."
        )
    return videos[~chosen], videos[chosen]


def bad_videos(source, indices):
    """The videos that cannot be read, among those of the given indices.

    Args:
        source: a `data.sources.base.Source`.
        indices: into its listing.

    Returns:
        dict of name -> reason.
    """
    return {
        source.listing.names[i]: source.videos[i].reason
        for i in indices
        if source.videos[i].reason
    }


def list_fingerprint(source, videos):
    """SHA-256 of the class names and of the videos' names and labels, in order.

    Args:
        source: a `data.sources.base.Source`.
        videos: indices into its listing.

    Returns:
        str of hexadecimal digits.
    """
    listing = source.listing
    return _digest(source, [(listing.names[i], int(listing.labels[i])) for i in videos])


def content_fingerprint(source, videos):
    """SHA-256 of a list of videos and of what the scan found in them.

    It covers the class names and the videos' names, labels, frame counts, heights and
    widths, in order.

    Args:
        source: a `data.sources.base.Source`.
        videos: indices into its listing.

    Returns:
        str of hexadecimal digits.
    """
    rows = [
        (
            source.listing.names[i],
            int(source.listing.labels[i]),
            source.videos[i].frames,
            source.videos[i].height,
            source.videos[i].width,
        )
        for i in videos
    ]
    return _digest(source, rows)


def _digest(source, rows):
    text = json.dumps([source.listing.class_names, rows])
    return hashlib.sha256(text.encode()).hexdigest()
