"""The TFDS builder `ucf101`, prepared as ArrayRecord, as a source of videos.

    tfds build ucf101 --config=ucf101_1 --file_format=array_record --data_dir=DIR

downloads and prepares split 1 (ucf101_2 and ucf101_3 the others); data.root is DIR,
any path that TensorFlow's file system layer reads. Videos lie there as JPEG pictures
of their frames, read by index, and only the frames of a clip are decoded. The builder
keeps neither names nor groups, so videos are called by split and number.
"""

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from configs.errors import DataError
from data.decode import decode_picture, read_pictures
from data.manifest import places, write_first
from data.source import Listing, Source, Video

SPLITS = ("train", "test")
NAME = "video_scan.json"


class Pictures(tfds.decode.SkipDecoding):
    """Leaves the frames of a video as coded pictures, in NumPy too."""

    def decode_example_np(self, serialized_example):
        """bytes of each frame."""
        return serialized_example

    decode_batch_example_np = decode_example_np


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prepared(Source):
    """Videos of a prepared builder; `records` are its splits, train and test."""

    records: tuple

    def read(self, video, *, frames, regions, size, flip, out):
        """See `Source.read`."""
        held, number = self.videos[video], int(video)
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
            shape=(held.height, held.width),
            out=out,
        )


def open_prepared(data_dir, split, *, threads, after_video=lambda: None):
    """Opens one split configuration of the prepared builder.

    Args:
        data_dir: of TFDS; "" takes its default.
        split: 1, 2 or 3.
        threads: how many records are read at once where they must be scanned.
        after_video: called after each record that had to be scanned.

    Returns:
        Prepared.

    Raises:
        DataError: the builder is not prepared there, or not as ArrayRecord.
    """
    name = f"ucf101/ucf101_{split}"
    builder = tfds.builder(name, data_dir=data_dir or None)
    command = (
        f"tfds build ucf101 --config=ucf101_{split} --file_format=array_record "
        f"--data_dir={data_dir or builder.data_dir_root}"
    )
    if not builder.is_prepared():
        raise DataError(
            f"The TFDS builder {name} is not prepared in {builder.data_path}: {command}"
        )
    if builder.info.file_format.value != "array_record":
        raise DataError(
            f"The TFDS builder {name} must be prepared as array_record to be read by "
            f"index; {builder.data_path} is {builder.info.file_format.value}: {command}"
        )
    records = tuple(
        builder.as_data_source(split, decoders={"video": Pictures()})
        for split in SPLITS
    )
    return _describe(builder, records, threads, after_video)


def _describe(builder, records, threads, after_video):
    """The source, with what its records hold read once and then remembered."""
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
    """[(label, `Video`)] of one split."""
    state = [len(records), builder.info.splits[split].num_bytes]
    candidates = places(str(builder.data_path), f"{split}_{NAME}")
    for place in candidates:
        rows = _load(place, state)
        if rows is not None:
            return rows
    with ThreadPoolExecutor(threads) as pool:
        tasks = pool.map(lambda i: _inspect(records[i]), range(len(records)))
        bar = tqdm(tasks, f"scan {split}", len(records), unit="video", disable=None)
        rows = []
        for row in bar:
            rows.append(row)
            after_video()
    content = [(label, dataclasses.asdict(video)) for label, video in rows]
    write_first(candidates, json.dumps({"state": state, "videos": content}))
    return rows


def _load(place, state):
    """What was remembered about these very records, else None."""
    try:
        content = json.loads(place.read_text())
        if content["state"] != state:
            return None
        return [(label, Video(**video)) for label, video in content["videos"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _inspect(record):
    """Label and `Video` of one record; its pictures are counted, the first decoded."""
    pictures, label = record["video"], int(record["label"])
    image = decode_picture(pictures[0]) if len(pictures) else None
    if image is None:
        return label, Video(reason="holds no picture that can be decoded")
    height, width = image.shape[:2]
    count = len(pictures)
    return label, Video(
        frames=count, height=height, width=width, codec="JPEG", promised=count
    )
