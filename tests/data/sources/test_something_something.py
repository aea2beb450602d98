import json
import logging
import shutil

import numpy as np
import pytest

from configs.command.errors import DataError
from configs.schema import Data
from data.decoding.write import write_video
from data.scan.__main__ import main as scan
from data.sources import open_source, scan_source
from data.sources.something_something import list_videos
from tests.data.samples import counting_frames

VIDEOS = "20bn-something-something-v2"
LABELS = {
    "Pushing something from left to right": "1",
    "Holding something next to something": "0",
    "Showing that something is empty": "2",
}
HOLDING = "Holding [something] next to [something]"
PUSHING = "Pushing [something] from left to right"
SHOWING = "Showing that [something] is empty"
TRAIN = [("78687", HOLDING), ("9", PUSHING), ("10", SHOWING), ("4", PUSHING)]
VALIDATION = [("77", PUSHING), ("8", HOLDING)]


def annotated(entries):
    """As they are published: what an annotator filled in comes along."""
    return [
        {
            "id": name,
            "label": template.replace("[something]", "a potato").lower(),
            "template": template,
            "placeholders": ["a potato"] * template.count("["),
        }
        for name, template in entries
    ]


def write_annotations(folder, prefix="", **changes):
    files = {
        "labels": LABELS,
        "train": annotated(TRAIN),
        "validation": annotated(VALIDATION),
        "test": [{"id": "1"}],
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (files | changes).items():
        (folder / f"{prefix}{name}.json").write_text(json.dumps(content))


def write_set(root, videos=VIDEOS, annotations="labels", prefix="", ending=".webm"):
    write_annotations(root / annotations, prefix)
    (root / videos).mkdir(parents=True, exist_ok=True)
    for name, _ in TRAIN + VALIDATION:
        (root / videos / f"{name}{ending}").touch()
    return root


@pytest.fixture
def root(tmp_path):
    return write_set(tmp_path / "root")


def test_listing_trains_on_train_and_tests_on_validation(root, caplog):
    with caplog.at_level(logging.INFO, "absl"):
        listing = list_videos(root)

    assert listing.class_names == (
        "Holding something next to something",
        "Pushing something from left to right",
        "Showing that something is empty",
    )
    assert listing.names == tuple(f"{VIDEOS}/{n}.webm" for n, _ in TRAIN + VALIDATION)
    assert (listing.train_size, listing.validation_size) == (4, 0)
    np.testing.assert_array_equal(listing.labels, [0, 1, 2, 1, 1, 0])
    assert set(listing.groups) == {-1}
    assert listing.paths[0] == str(root / VIDEOS / "78687.webm")
    assert (
        "3 classes; 4 videos to train; 2 to test, those of "
        f"{root / 'labels/validation.json'}, as papers report it" in caplog.text
    )


@pytest.mark.parametrize(
    ("videos", "annotations", "prefix", "given"),
    [
        (VIDEOS, "labels", "", "."),
        (VIDEOS, ".", "something-something-v2-", "."),
        (VIDEOS, "annotations", "something-something-v2-", "."),
        ("videos", "annotations", "something-something-v2-", "."),
        (".", ".", "", "."),
        (".", "labels", "", "."),
        (VIDEOS, "labels", "", VIDEOS),
        (VIDEOS, "labels", "", "labels"),
        (VIDEOS, VIDEOS, "", "."),
    ],
)
def test_common_layouts_are_found(tmp_path, videos, annotations, prefix, given):
    write_set(tmp_path, videos, annotations, prefix)
    assert len(list_videos(tmp_path / given).names) == 6


def test_videos_may_have_been_coded_anew(tmp_path):
    write_set(tmp_path, ending=".mp4")
    (tmp_path / VIDEOS / "9.mkv").touch()
    (tmp_path / VIDEOS / "10.webm").touch()
    listing = list_videos(tmp_path)
    names = [name.split("/")[1] for name in listing.names]
    assert names == ["78687.mp4", "9.mp4", "10.webm", "4.mp4", "77.mp4", "8.mp4"]


FAULTS = {
    "unknown template": (
        {"train": annotated([*TRAIN, ("5", "Eating [something]")])},
        r"train.json entry 5 \(id 5\) has the template 'Eating \[some.*of the 3 class",
    ),
    "missing videos": (
        {"train": annotated([*TRAIN, ("5", HOLDING), ("6", HOLDING)])},
        "train.json lists 2 videos .*-v2: entry 5: id 5; entry 6: id 6",
    ),
    "missing test video": (
        {"validation": annotated([*VALIDATION, ("5", HOLDING)])},
        "validation.json lists 1 videos .*-v2: entry 3: id 5",
    ),
    "video twice": (
        {"train": annotated([*TRAIN, TRAIN[1]])},
        r"train.json entry 5 \(id 9\) is the same video as .*train.json entry 2",
    ),
    "video in both": (
        {"validation": annotated([*VALIDATION, TRAIN[0]])},
        r"validation.json entry 3 \(id 78687\) is the same .*train.json entry 1 \(",
    ),
    "class without a training video": (
        {"train": annotated(TRAIN[:2])},
        "labels.json names 'Showing that something is empty', of which .*train.json",
    ),
    "empty": ({"validation": []}, "validation.json lists no video"),
    "no templates": (
        {"train": [{"id": "1"}]},
        r"train.json must be as it is published: .*`template` - at `\$\[0\]`",
    ),
    "numbers for ids": (
        {"train": [{"id": 1, "template": HOLDING}]},
        "train.json must be as it is published: .*Expected `str`, got `int`",
    ),
    "labels from 1": (
        {"labels": {name: str(int(n) + 1) for name, n in LABELS.items()}},
        "labels.json must number its classes 0, 1, 2, …; received .'1', '2', '3'",
    ),
    "labels that are none": (
        {"labels": LABELS | {"Holding something": "three"}},
        "labels.json must number its classes",
    ),
    "no labels": ({"labels": {}}, "labels.json must number its classes"),
    "labels as a list": ({"labels": []}, "labels.json must be as it is published"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_annotations_are_named_with_file_and_entry(root, fault):
    changes, message = FAULTS[fault]
    write_annotations(root / "labels", **changes)
    with pytest.raises(DataError, match=message) as error:
        list_videos(root)
    assert "\n" not in str(error.value)


def test_damaged_json_is_named(root):
    (root / "labels/train.json").write_text('[{"id": "1"')
    with pytest.raises(
        DataError, match="train.json must be as it is published: .*trun"
    ):
        list_videos(root)


def test_missing_parts_are_named_with_the_remedy(root):
    shutil.move(root / VIDEOS, root / "elsewhere")
    with pytest.raises(DataError, match=r"No video ID.webm .* unpack the archives"):
        list_videos(root)
    (root / "labels/train.json").unlink()
    with pytest.raises(DataError, match="labels lacks train.json"):
        list_videos(root)
    shutil.rmtree(root / "labels")
    with pytest.raises(DataError, match="No labels.json, train.json, .* unpack it to"):
        list_videos(root)


def test_it_is_opened_and_scanned(root, capsys):
    for number, (name, _) in enumerate(TRAIN + VALIDATION, start=4):
        (root / VIDEOS / f"{name}.webm").unlink()
        write_video(root / "video.avi", counting_frames(number))
        shutil.move(root / "video.avi", root / VIDEOS / f"{name}.webm")
    data = Data(source="something-something-v2", root=str(root), flip=False)

    source = open_source(data)

    assert [video.frames for video in source.videos] == [4, 5, 6, 7, 8, 9]
    scanned = scan_source(data)
    assert scanned == list(zip(source.listing.names, source.videos, strict=True))
    assert scan([str(root), "--source=something-something-v2"]) == 0
    assert capsys.readouterr().out.startswith(
        "videos                                 6"
    )
