"""Takes the lists of a collection along, with the new names of its videos."""

import os
from pathlib import Path

from absl import logging

from data.sources.frozen_split import GROUPS_FILE, SPLIT_FILE
from data.sources.names import read_list
from data.sources.tables import read_rows, write_rows
from data.sources.ucf101 import list_videos
from data.sources.ucf101_layout import find_lists, has_lists
from storage.files import write_atomically
from storage.text import escaped, unescaped

UCF101_FOLDER = "ucfTrainTestlist"


def take_along(root, out, names):
    """Writes split.csv, groups.csv and UCF101's lists, those that there are.

    Args:
        root: the folder of the originals.
        out: `Path` of the folder of the new files.
        names: dict of name below the root -> name below the new folder, both as
            `data.sources.tree.walk` gives them.

    Returns:
        list of the paths written.

    Raises:
        DataError: a list contradicts itself or the videos.
        StorageError: one cannot be written.
    """
    written = []
    for name in (SPLIT_FILE, GROUPS_FILE):
        path = Path(root, name)
        if path.exists():
            text = _renamed(read_list(path), names)
            if (out / name).exists() and read_list(out / name) != text:
                logging.warning("%s is replaced by that of %s.", out / name, root)
            write_atomically(out / name, text)
            written.append(out / name)
    for split in (1, 2, 3):
        if has_lists(root, split):
            written += _ucf101(root, out, names, split)
    return written


def _renamed(text, names):
    """CSV with other names in its column video."""
    rows = [row for _, row in read_rows(text) if any(row)]
    column = rows[0].index("video") if rows and "video" in rows[0] else None
    for row in rows[1:] if column is not None else ():
        row[column : column + 1] = (names.get(name, name) for name in row[column:][:1])
    return write_rows(rows)


def _ucf101(root, out, names, split):
    """Writes the lists of one split of UCF101; labels stand behind the names."""
    listing = list_videos(root, split)
    lists, folder = find_lists(root, split), out / UCF101_FOLDER
    texts = {"classInd.txt": read_list(lists / "classInd.txt")}
    below = [escaped(os.path.relpath(path, root)) for path in listing.paths]
    new = {name: os.path.basename(unescaped(names.get(name, name))) for name in below}
    lines = [
        f"{listing.class_names[label]}/{new[name]} {label + 1}\n"
        for name, label in zip(below, listing.labels, strict=True)
    ]
    train, _, test = listing.parts
    texts[f"trainlist0{split}.txt"] = "".join(lines[i] for i in train)
    texts[f"testlist0{split}.txt"] = "".join(lines[i] for i in test)
    for name, text in texts.items():
        write_atomically(folder / name, text)
    return [folder / name for name in texts]
