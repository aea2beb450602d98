"""The split of a folder of videos: drawn once, then kept in a file.

The file is CSV with the columns video (its path below the root), class, split (train,
validation or test) and group. Groups are drawn whole. A video that is not in the file
yet joins its group, or is drawn and added; no other video moves.
"""

import collections
import dataclasses
import hashlib
import os

from absl import logging

from configs.command.errors import DataError
from data.recordings import recording_of
from data.sources.names import alike
from data.sources.tables import read_table, write_rows
from storage.files import write_atomically

SPLIT_FILE, GROUPS_FILE = "split.csv", "groups.csv"
SPLITS = ("train", "validation", "test")
MOST_NAMED = 3


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of the file.

    Attributes:
        video: path below the root.
        class_name: of its folder.
        split: one of `SPLITS`.
        group: what it has in common with the other parts of its recording.
    """

    video: str
    class_name: str
    split: str
    group: str


def frozen_split(videos, path, groups, fractions):
    """Which split each video belongs to; draws those that the file does not know.

    Args:
        videos: list of `data.sources.tree.Found`.
        path: of the file.
        groups: dict of name -> group of some of the videos, which counts more than
            their names, and than the groups in the file.
        fractions: dict of "validation" and "test" -> fraction of each class's videos
            that is drawn.

    Returns:
        (dict of a video's name -> `Row`, of the file's videos, those that are gone
        too, and of the others; how many these others are).

    Raises:
        DataError: the file contradicts itself or the folders.
    """
    rows = read_split(path) if os.path.lexists(path) else {}
    tell_gone(rows, videos, path)
    rows = _regrouped(_classified(rows, videos, path), groups, path)
    new = [video for video in videos if video.name not in rows]
    if new and rows:
        logging.info("%d videos are not in %s yet: they are added.", len(new), path)
    drawn = draw(
        {
            video.name: (
                video.class_name,
                groups.get(video.name) or recording_of(video.name),
            )
            for video in new
        },
        rows.values(),
        fractions,
    )
    return {row.video: row for row in (*rows.values(), *drawn)}, len(new)


def write_split(path, rows):
    """Writes the file.

    Args:
        path: of the file.
        rows: `Row`s.

    Raises:
        StorageError: it cannot be written.
    """
    write_atomically(path.resolve(), to_csv(rows))  # Not in place of a link.


def tell_gone(rows, videos, path):
    """Logs how many videos of a file are gone; they count as unreadable.

    Args:
        rows: dict of a video's name -> `Row`.
        videos: list of `data.sources.tree.Found`.
        path: of the file.
    """
    gone = sorted(rows.keys() - {video.name for video in videos})
    if gone:
        logging.warning(
            "%d videos of %s are gone and count as unreadable: %s%s. Put them back, or "
            "remove their lines.",
            len(gone),
            path,
            ", ".join(gone[:MOST_NAMED]),
            " …" if len(gone) > MOST_NAMED else "",
        )


def _regrouped(rows, groups, path):
    """The rows with the groups that the user knows by now; refuses torn ones."""
    rows = {
        name: dataclasses.replace(row, group=groups.get(name, row.group))
        for name, row in rows.items()
    }
    first = {}
    for row in rows.values():
        other = first.setdefault(row.group, row)
        if other.split != row.split:
            raise DataError(
                f"{GROUPS_FILE} puts {other.video!r} and {row.video!r} into the group "
                f"{row.group!r}, but {path}, which was drawn before, has them in "
                f"{other.split} and {row.split}. Delete that file, so that another "
                "split is drawn, or edit it; runs on the old split then end."
            )
    return rows


def draw(videos, known, fractions):
    """Draws splits for videos, group by group.

    Groups come in the order of a hash of their names, so that neither the names' order
    nor a seed has a part in it. Each goes where most is missing of what the fractions
    ask for, as long as half of it still fits; the first of a class is for training.

    Args:
        videos: dict of name -> (class name, group).
        known: `Row`s of videos that keep their splits.
        fractions: dict of "validation" and "test" -> fraction.

    Returns:
        list of `Row`, in the order of the videos.
    """
    fractions = {"train": 1 - sum(fractions.values()), **fractions}
    counts = {split: collections.Counter() for split in SPLITS}
    chosen = {}
    for row in known:
        counts[row.split][row.class_name] += 1
        chosen[row.group] = row.split
    members = collections.defaultdict(collections.Counter)
    for class_name, group in videos.values():
        members[group][class_name] += 1
    totals = sum([*counts.values(), *members.values()], collections.Counter())
    wanted = {
        split: {name: fractions[split] * total for name, total in totals.items()}
        for split in SPLITS
    }
    for group in sorted(members, key=_hash):
        if group not in chosen:
            chosen[group] = _choose(members[group], counts, wanted)
        counts[chosen[group]] += members[group]
    return [
        Row(name, class_name, chosen[group], group)
        for name, (class_name, group) in videos.items()
    ]


def _choose(classes, counts, wanted):
    """The split of a group.

    Args:
        classes: Counter of class name -> videos of the group.
        counts: dict of split -> Counter of class name -> videos that it has.
        wanted: dict of split -> dict of class name -> videos that it is to have.
    """
    if any(not counts["train"][name] for name in classes):
        return "train"
    lacks = {}
    for split in SPLITS:
        missing = {name: wanted[split][name] - counts[split][name] for name in classes}
        fits = sum(size * (missing[name] - size / 2) for name, size in classes.items())
        if split == "train" or fits >= 0:
            lacks[split] = sum(
                size * missing[name] / wanted[split][name]
                for name, size in classes.items()
                if wanted[split][name]
            )
    return max(lacks, key=lacks.get)


def _hash(group):
    return hashlib.sha256(group.encode()).digest()


def read_split(path):
    """Reads the file of a split.

    Args:
        path: the file.

    Returns:
        dict of a video's name -> `Row`.

    Raises:
        DataError: it cannot be read, or contradicts itself; names the line.
    """
    rows, splits = {}, {}
    columns = ("video", "class", "split", "group")
    for number, values in read_table(path, columns):
        row = Row(*values)
        if row.split not in SPLITS:
            raise DataError(
                f"{path} line {number}: split must be one of {', '.join(SPLITS)}; "
                f"received {row.split!r}."
            )
        if row.video in rows:
            raise DataError(f"{path} line {number} repeats the video {row.video!r}.")
        other = splits.setdefault(row.group, row)
        if other.split != row.split:
            raise DataError(
                f"{path} line {number}: {row.video!r} is of the group {row.group!r}, "
                f"which is in {other.split} by {other.video!r}, and must be in one "
                "split only."
            )
        rows[row.video] = row
    return rows


def read_groups(path, videos):
    """Groups that the user knows: CSV with the columns video and group.

    Args:
        path: the file; there may be none.
        videos: list of `data.sources.tree.Found`.

    Returns:
        dict of a video's name -> group.

    Raises:
        DataError: it cannot be read, or names a video that is not there.
    """
    if not os.path.lexists(path):
        return {}
    known = {video.name for video in videos}
    groups = {}
    for number, (video, group) in read_table(path, ("video", "group")):
        if video not in known:
            raise DataError(
                f"{path} line {number} names {video!r}, which is not there."
            )
        groups[video] = group
    logging.info("%s gives the groups of %d videos.", path, len(groups))
    return groups


def to_csv(rows):
    """The text of the file, sorted by video."""
    rows = sorted(rows, key=lambda row: row.video)
    return write_rows(
        [("video", "class", "split", "group"), *map(dataclasses.astuple, rows)]
    )


def _classified(rows, videos, path):
    """The rows with the classes of the folders; refuses those that say otherwise."""
    classes = {video.name: video.class_name for video in videos}
    for row in rows.values():
        found = classes.get(row.video, row.class_name)
        if alike(row.class_name) != alike(found):
            raise DataError(
                f"{path} says that {row.video!r} is of the class {row.class_name!r}, "
                f"but it lies in {found!r}."
            )
    return {
        name: dataclasses.replace(row, class_name=classes.get(name, row.class_name))
        for name, row in rows.items()
    }
