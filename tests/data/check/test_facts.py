import dataclasses
import shutil

import numpy as np
import pytest

from configs.schema import Data
from data.check.facts import facts_of, find_copies
from data.check.table import describe, findings
from data.sources import open_source
from data.sources.base import Listing
from tests.data.samples import CLASSES, make_different


@pytest.fixture
def videos(counting_set, tmp_path):
    videos = shutil.copytree(counting_set / "UCF-101", tmp_path / "videos")
    make_different(videos)
    return videos


def opened(root, **changes):
    data = Data(source="folder", root=str(root), frames=4, frame_interval=2)
    data = dataclasses.replace(data, **{"validation": "split", **changes})
    source = open_source(data)
    return facts_of(source, data)


def test_videos_are_counted_by_class_and_split(videos):
    facts = opened(videos, validation_fraction=0.3)
    assert [row.name for row in facts.classes] == list(CLASSES)
    assert [sum(row.counts.values()) for row in facts.classes] == [5, 5, 5]
    assert sum(facts.counts.values()) == facts.recordings == 15
    assert all(row.counts["train"] for row in facts.classes)
    jump = facts.classes[0]
    assert (jump.recordings, jump.shortest, jump.median) == (5, 16, 20)  # 16, 18 … 24
    assert (facts.span, facts.short, facts.unused) == (7, 0, 0)
    assert not facts.copies and not facts.bad
    assert not list(findings(facts))


def test_all_videos_may_be_bad(videos):
    whole = opened(videos, validation_fraction=0.3)
    for path in videos.rglob("*.avi"):
        path.write_bytes(b"no video")
    facts = opened(videos)
    assert facts.counts == whole.counts and len(facts.bad) == 15
    assert [(row.shortest, row.median) for row in facts.classes] == [(0, 0)] * 3
    shown = "\n".join(describe(facts))
    assert shown.count("bad: ") == 11 and "bad: … and 5 more" in shown


def test_a_validation_split_that_is_not_used_is_counted(videos):
    facts = opened(videos, validation_fraction=0.3, validation="none")
    assert facts.unused and not facts.counts["validation"]
    assert facts.unused + sum(facts.counts.values()) == 15


def test_nothing_to_validate_on_is_bad(videos):
    facts = opened(videos, validation_fraction=0.0)
    assert facts.unvalidated and facts.counts["validation"] == 0
    assert "bad: there is nothing to validate on" in "\n".join(findings(facts))


def test_clips_that_are_longer_than_videos_are_counted(videos):
    facts = opened(videos, frames=10)
    assert facts.span == 19
    assert facts.short == 5  # By hand: of 16 and 18 frames.
    assert "hint: 5 videos are shorter than a clip" in "\n".join(findings(facts))
    segments = opened(videos, frames=19, frame_sampling="segments")
    assert (segments.span, segments.short) == (19, 5)


def test_bad_videos_of_every_split_are_named(videos):
    before = opened(videos, validation_fraction=0.3)
    for path in videos.rglob("v_Walk*.avi"):
        path.write_bytes(b"no video")
    facts = opened(videos, validation_fraction=0.3)
    assert facts.counts == before.counts
    assert len(facts.bad) == 5 and {n.split("/")[0] for n, _, _ in facts.bad} == {
        "Walk"
    }
    assert facts.classes[2].counts == before.classes[2].counts
    assert (facts.classes[2].shortest, facts.classes[2].median) == (0, 0)
    assert "bad: 'Walk/v_Walk_g01_c01.avi' (" in "\n".join(describe(facts))


def test_copies_are_found_under_other_names(tmp_path):
    contents = {"a": b"one", "b": b"two", "c": b"one", "d": b"", "e": b"", "f": b"two"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    names = (*contents, "gone")
    listing = Listing(
        class_names=("x",),
        names=names,
        labels=np.zeros(len(names), np.int32),
        groups=np.full(len(names), -1),
        train_size=len(names),
        paths=tuple(str(tmp_path / name) for name in names),
    )
    splits = ["train", "test", "train", "train", "test", "train", "test"]
    copies = find_copies(listing, splits)
    assert [copy.videos for copy in copies] == [
        [("b", "test"), ("f", "train")],  # The leak comes first.
        [("a", "train"), ("c", "train")],
    ]
    assert [copy.is_leak for copy in copies] == [True, False]
    assert not find_copies(dataclasses.replace(listing, paths=()), splits)
    assert [c.videos[0][0] for c in find_copies(listing, [*splits[:5], "", ""])] == [
        "a"
    ]


def test_uneven_and_untested_classes_are_named(videos):
    for path in (videos / "Jump").glob("*.avi"):
        for number in range(5):
            target = path.with_name(f"{number}_{path.name}")
            target.write_bytes(path.read_bytes() + bytes([number]))
    for path in sorted((videos / "Run").glob("*.avi"))[2:]:
        path.unlink()
    facts = opened(videos)
    lines = "\n".join(findings(facts))
    assert "class: 'Run' has no test video" in lines
    assert f"hint: the largest class has {facts.imbalance:.1f} x" in lines
    assert facts.imbalance >= 10


def test_of_many_findings_some_are_shown_and_the_rest_counted(videos):
    facts = dataclasses.replace(
        opened(videos), bad=[(f"{n}.avi", "train", "is empty") for n in range(12)]
    )
    lines = [line for line in findings(facts) if line.startswith("bad")]
    assert len(lines) == 11 and lines[-1] == "bad: … and 2 more"
    assert len([x for x in findings(facts, most=50) if x.startswith("bad")]) == 12
