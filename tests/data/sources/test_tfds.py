"""The real TFDS builder, its downloads replaced by a few local files."""

import dataclasses
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from configs.command.errors import DataError
from configs.schema import Data, Views
from data import open_clips
from data.decoding.write import write_video
from data.scan import SCAN_FILE
from data.scan.__main__ import main
from tests.data.samples import counting_frames, decoded_numbers, write_lists

pytestmark = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="TFDS prepares videos with ffmpeg"
)
CLASSES = ("Archery", "HandstandPushups", "YoYo")
SETTINGS = Data(
    source="tfds", batch_size=3, frames=4, frame_interval=2, size=16, threads=2
)
VIEWS = Views(clips=2, crops=3, batch_size_per_replica=4)


def write_originals(folder):
    """Files as TFDS unpacks them, and as UCF101 does; 7 training, 3 test videos."""
    train, test = [], []
    for name in CLASSES:
        (folder / "UCF101").mkdir(parents=True, exist_ok=True)
        (folder / "UCF-101" / name).mkdir(parents=True)
        for group in range(1, 5 if name == "YoYo" else 4):
            file = f"v_{name}_g{group:02}_c01.avi"
            frames = counting_frames(12 + 2 * group, height=48, width=64)
            write_video(folder / "UCF101" / file, frames)
            shutil.copy(folder / "UCF101" / file, folder / "UCF-101" / name)
            # As in the official lists, HandStand in the names of the files.
            listed = file.replace("Handstand", "HandStand")
            (test if group == 1 else train).append(f"{name}/{listed}")
    labels = {name: number for number, name in enumerate(CLASSES, start=1)}
    train = [f"{line} {labels[line.split('/')[0]]}" for line in train]
    write_lists(folder / "ucfTrainTestlist", train, test, classes=CLASSES)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """(folder of the originals, TFDS data_dir)."""
    folder = tmp_path_factory.mktemp("originals")
    write_originals(folder)
    data_dir = tmp_path_factory.mktemp("tfds")
    builder = tfds.builder(
        "ucf101/ucf101_1", data_dir=str(data_dir), file_format="array_record"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            tfds.download.DownloadManager,
            "download_and_extract",
            lambda self, urls: dict.fromkeys(urls, str(folder)),
        )
        builder.download_and_prepare()
    return folder, data_dir


def open_set(root, **changes):
    return open_clips(
        dataclasses.replace(SETTINGS, root=str(root), **changes), VIEWS, seed=5
    )


def read(dataset):
    parts = [tf.nest.map_structure(lambda x: x.numpy(), part) for part in dataset]
    return tf.nest.map_structure(lambda *values: np.concatenate(values), *parts)


def test_videos_labels_and_classes_are_those_of_the_files(prepared):
    folder, data_dir = prepared
    clips, files = open_set(data_dir), open_set(folder, source="ucf101")

    assert len(clips.class_names) == 101
    names = [name for name in clips.class_names if name in files.class_names]
    assert tuple(names) == files.class_names
    assert (clips.train_size, clips.test_size) == (files.train_size, files.test_size)
    strategy = tf.distribute.get_strategy()
    ours, theirs = (read(c.views(strategy)) for c in (clips, files))

    def rows(result, class_names):
        features, label, weight = result
        return sorted(
            (class_names[y], int(view), tuple(decoded_numbers(clip)))
            for y, view, clip, w in zip(
                label, features["view"], features["clip"], weight, strict=True
            )
            if w
        )

    assert rows(ours, clips.class_names) == rows(theirs, files.class_names)


def test_training_stream_is_a_permutation_and_resumes(prepared):
    clips = open_set(prepared[1])
    strategy = tf.distribute.get_strategy()
    whole = read(clips.train(strategy, 0).take(7))
    rest = read(clips.train(strategy, 3).take(4))

    videos = whole[0]["video"].reshape(3, 7)
    assert (np.sort(videos) == np.arange(7)).all()
    assert (whole[2] == 1).all()
    tf.nest.map_structure(
        lambda one, two: np.testing.assert_array_equal(one[9:], two), whole, rest
    )
    assert (np.diff(decoded_numbers(whole[0]["clip"])) == 2).all()


def test_records_are_scanned_only_once(prepared, monkeypatch):
    first = open_set(prepared[1])

    def fail(_):
        raise AssertionError("scanned again")

    monkeypatch.setattr("data.sources.tfds._inspect", fail)
    assert open_set(prepared[1]).train_fingerprint == first.train_fingerprint


def test_command_scans_the_records(prepared, capsys):
    assert main([str(prepared[1]), "--source=tfds"]) == 0

    shown = capsys.readouterr().out.splitlines()
    table = {line[:32].strip(): line[32:].strip() for line in shown}
    assert table["videos"] == table["codec JPEG"] == table["size 64 x 48"] == "10"
    assert (table["bad"], table["header counts wrong"]) == ("0", "0")


def test_a_scan_shows_that_it_moves(prepared, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(prepared[1], copy)
    for path in copy.rglob(f"*{SCAN_FILE}"):
        path.unlink()
    seen = []
    clips = open_clips(
        dataclasses.replace(SETTINGS, root=str(copy)),
        VIEWS,
        seed=5,
        after_video=lambda: seen.append(None),
    )
    assert len(seen) == clips.train_size + clips.test_size


def test_groups_cannot_be_used_for_validation(prepared):
    with pytest.raises(DataError, match="needs names with a group number"):
        open_set(prepared[1], validation="groups")


def test_what_is_not_prepared_is_explained(prepared, tmp_path):
    with pytest.raises(
        DataError,
        match="ucf101_2 is not prepared in .*; run: tfds build ucf101 --config=",
    ):
        open_set(prepared[1], split=2)
    with pytest.raises(DataError, match="is not prepared"):
        open_set(tmp_path)
