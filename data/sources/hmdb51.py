"""Reads HMDB51 with its three official splits, as they are published.

    root/hmdb51_org/wave/….avi …                                  class folders
    root/testTrainMulti_7030_splits/wave_test_split1.txt          "….avi 1"

Each class has a list for each split, whose lines say what a video is for: 1 to train
on, 2 to test on, 0 for neither. The classes are numbered in the order of their names,
as mmaction2 does. The official lists have 70 training and 30 test videos of each class;
any number will do.
"""

import re

from absl import logging

from configs.command.errors import DataError
from data.sources.base import Listing
from data.sources.files import open_files, scan_listings
from data.sources.hmdb51_layout import find_lists, find_videos, splits_of
from data.sources.official_lists import check_disjoint, find_lines, numbered_lines

LINE = re.compile(r"(?P<name>[^/]+\.\w+)\s+(?P<use>[012])")
TRAIN, TEST = "1", "2"


def open_hmdb51(data, *, after_video):
    """See `data.sources.open_source`."""
    listing = list_videos(data.root, data.split)
    return open_files(listing, data.root, after_video=after_video)


def scan_hmdb51(data, *, processes):
    """See `data.sources.scan_source`; of all splits that are there."""
    listings = [list_videos(data.root, split) for split in splits_of(data.root)]
    return scan_listings(listings, data.root, processes=processes)


def list_videos(root, split):
    """Reads the lists of one split and finds their videos; logs how many there are.

    Args:
        root: the data set's directory, or its folder of class folders.
        split: 1, 2 or 3.

    Returns:
        Listing.

    Raises:
        DataError: a list or a video is missing, a class has no list or no training
            video, or a list contradicts itself; names file and line.
    """
    lists = find_lists(root, split)
    folder = find_videos(root, lists)
    train, test = [], []
    for label, (class_name, file) in enumerate(lists.items()):
        uses = _read_uses(file, class_name, label)
        trained, tested = (find_lines(file, uses[u], folder) for u in (TRAIN, TEST))
        check_disjoint(trained, tested)
        if not trained:
            raise DataError(f"{file} lists no training video, a line 'VIDEO {TRAIN}'.")
        train += trained
        test += tested
    if not test:
        raise DataError(
            f"The lists of data.split={split} in {file.parent} name no test video, a "
            f"line 'VIDEO {TEST}'."
        )
    listing = Listing.of_files(
        tuple(lists),
        train=[line.entry for line in train],
        validation=[],
        test=[line.entry for line in test],
    )
    _tell(root, listing)
    return listing


def _read_uses(file, class_name, label):
    """What the lines of a list are for: dict of use -> entries for `find_lines`."""
    uses = {"0": [], TRAIN: [], TEST: []}
    for number, text in numbered_lines(file):
        found = LINE.fullmatch(text)
        if not found:
            raise DataError(
                f"{file} line {number} must read 'VIDEO 0', 'VIDEO 1' or 'VIDEO 2'; "
                f"received {text!r}."
            )
        uses[found["use"]].append((number, f"{class_name}/{found['name']}", label))
    return uses


def _tell(root, listing):
    """Logs how many videos there are, and how many tests share a film with training."""
    train, _, test = listing.parts
    logging.info(
        "%s: %d classes; %d videos to train, %d to test.",
        root,
        len(listing.class_names),
        len(train),
        len(test),
    )
    shared = listing.tested_recordings()
    if shared:
        logging.info(
            "%d test videos seem to be cut from films that are trained on, by their "
            "names; the first is %s. The lists are taken as they are.",
            len(shared),
            shared[0],
        )
