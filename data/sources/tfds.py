"""Reads the TFDS builder `ucf101` where it was prepared as ArrayRecord.

    tfds build ucf101 --config=ucf101_1 --file_format=array_record --data_dir=DIR

downloads and prepares split 1 (ucf101_2 and ucf101_3 the others). data.root is DIR,
any path that TensorFlow's file system layer reads. A record holds the frames of a video
as JPEG pictures and is read by its index; only the frames of a clip are decoded. The
builder keeps neither names nor groups, so videos are named by split and number.
"""

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from configs.command.errors import DataError
from data.decoding.reader import thread_count
from data.decoding.video import decode_picture, read_pictures
from data.scan import (
    SCAN_FILE,
    Video,
    candidate_paths,
    judges,
    load_own,
    write_first,
)
from data.sources.base import Listing, Source

SPLITS = ("train", "test")


@dataclasses.dataclass(frozen=True)
class Content:
    """What is remembered of the records of one split.

    Attributes:
        state: their number and size in bytes.
        by: what they were scanned by, see `data.scan.judges`.
        videos: label and `Video` of each.
    """

    state: tuple[int, int]
    by: dict[str, str]
    videos: list[tuple[int, Video]]


class Pictures(tfds.decode.SkipDecoding):
    """Leaves the frames of a video as coded pictures, also where NumPy reads them."""

    def decode_example_np(self, serialized_example):
        """The bytes of each frame, as they are."""
        return serialized_example

    decode_batch_example_np = decode_example_np


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prepared(Source):
    """Videos of a prepared builder.

    Attributes:
        records: the builder's two splits, train and test.
    """

    records: tuple

    def read(self, video, *, frames, regions, size, flip, out):
        """See `Source.read`."""
        expected, number = self.videos[video], int(video)
        train, test = self.records
        if number < len(train):
            record = train[number]
        else:
            record = test[number - len(train)]
        read_pictures(
            record["video"],
            frames=frames,
            regions=regions,
            size=size,
            flip=flip,
            shape=(expected.decoded_height, expected.decoded_width),
            out=out,
        )


def open_tfds(data, *, after_video=lambda: None):
    """See `data.sources.open_source`.

    Args:
        data: a `configs.schema.Data`, whose root is TFDS's data_dir ("" takes its
            default) and whose split selects the builder's configuration.
        after_video: called after each record that had to be scanned.

    Returns:
        Prepared.

    Raises:
        DataError: the builder is not prepared there, or not as ArrayRecord.
    """
    root, split = data.root, data.split
    builder = _builder(root, split)
    name = f"ucf101/ucf101_{split}"
    command = (
        f"tfds build ucf101 --config=ucf101_{split} --file_format=array_record "
        f"--data_dir={root or builder.data_dir_root}"
    )
    if not builder.is_prepared():
        raise DataError(
            f"The TFDS builder {name} is not prepared in {builder.data_path}; "
            f"run: {command}"
        )
    if builder.info.file_format.value != "array_record":
        raise DataError(
            f"The TFDS builder {name} must be prepared as array_record to be read by "
            f"index; {builder.data_path} is {builder.info.file_format.value}; "
            f"run: {command}"
        )
    records = tuple(
        builder.as_data_source(split, decoders={"video": Pictures()})
        for split in SPLITS
    )
    return _describe(builder, records, thread_count(data.threads), after_video)


def scan_tfds(data, *, processes):
    """See `data.sources.scan_source`; of all splits, and in threads."""
    splits = [split for split in (1, 2, 3) if _builder(data.root, split).is_prepared()]
    found = []
    for split in splits or [1]:  # so that `open_tfds` explains what is missing
        source = open_tfds(dataclasses.replace(data, split=split, threads=processes))
        names = [f"ucf101_{split}/{name}" for name in source.listing.names]
        found += zip(names, source.videos, strict=True)
    return found


def _builder(root, split):
    return tfds.builder(f"ucf101/ucf101_{split}", data_dir=root or None)


def _describe(builder, records, threads, after_video):
    """The source; its records are scanned unless an earlier scan is remembered."""
    found = [
        _scan(builder, split, record, threads, after_video)
        for split, record in zip(SPLITS, records, strict=True)
    ]
    class_names = tuple(builder.info.features["label"].names)
    labels = [label for rows in found for label, _ in rows]
    names = [
        f"{class_names[label]}/{split}_{number:05}"
        for split, rows in zip(SPLITS, found, strict=True)
        for number, (label, _) in enumerate(rows)
    ]
    return Prepared(
        listing=Listing(
            class_names=class_names,
            names=tuple(names),
            labels=np.array(labels, np.int32),
            groups=np.full(len(names), -1, np.int32),
            train_size=len(found[0]),
        ),
        videos=tuple(video for rows in found for _, video in rows),
        records=records,
    )


def _scan(builder, split, records, threads, after_video):
    """List of (label, `Video`) of one split."""
    state = len(records), builder.info.splits[split].num_bytes
    paths = candidate_paths(str(builder.data_path), f"{split}_{SCAN_FILE}")
    for path in paths:
        content = load_own(path, Content)
        if content and (content.state, content.by) == (state, judges()):
            return content.videos
    with ThreadPoolExecutor(threads) as pool:
        tasks = pool.map(lambda i: _inspect(records[i]), range(len(records)))
        bar = tqdm(tasks, f"scan {split}", len(records), unit="video", disable=None)
        rows = []
        for row in bar:
            rows.append(row)
            after_video()
    content = dataclasses.asdict(Content(state, judges(), rows))
    write_first(paths, json.dumps(content))
    return rows


def _inspect(record):
    """Label and `Video` of one record, whose first picture only is decoded."""
    pictures, label = record["video"], int(record["label"])
    image = decode_picture(pictures[0]) if len(pictures) else None
    if image is None:
        return label, Video(reason="holds no picture that can be decoded")
    height, width = image.shape[:2]
    count = len(pictures)
    return label, Video(
        frames=count,
        height=height,
        width=width,
        decoded_height=height,
        decoded_width=width,
        codec="JPEG",
        header_frames=count,
    )
