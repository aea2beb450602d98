import shutil

import cv2
import numpy as np
import pytest

from configs.command.errors import DataError
from configs.schema import Data
from data.decoding.errors import DecodeError
from data.identities import content_key
from data.sources import open_source, scan_source
from data.sources.frames import Pictures, find_frames, inspect
from tests.data.samples import counting_frames, decoded_numbers
from tests.data.streams import assert_same, open_set, train

SOURCE = {"source": "frames", "validation": "none", "validation_fraction": 0.0}


def write(folder, frames, name="img_{}.png"):
    """Numbers without zeros in front: img_2 comes before img_10."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames, start=1):
        cv2.imwrite(str(folder / name.format(number)), frame[..., ::-1])


@pytest.fixture
def root(tmp_path):
    """Ten videos of 12 to 21 frames in two classes, one at another depth."""
    root = tmp_path / "frames"
    for number in range(10):
        deep = "deep/" if number == 4 else ""
        folder = root / ("fall", "rise")[number % 2] / f"{deep}take{number}"
        write(folder, counting_frames(12 + number))
    (root / "fall" / "notes.txt").touch()
    return root


def test_each_folder_of_pictures_is_a_video(root):
    found = find_frames(root, pattern="*")
    assert [video.name for video in found][:3] == [
        *("fall/deep/take4", "fall/take0", "fall/take2")
    ]
    assert {video.class_name for video in found} == {"fall", "rise"}
    source = open_source(Data(root=str(root), **SOURCE))
    assert [len(part) for part in source.listing.parts] == [8, 0, 2]
    frames = dict(zip(source.listing.names, source.videos, strict=True))
    assert frames["rise/take7"].frames == 19
    assert (frames["rise/take7"].height, frames["rise/take7"].width) == (24, 32)
    assert sorted(scan_source(Data(root=str(root), **SOURCE))) == sorted(frames.items())


def test_frames_come_in_the_order_of_their_numbers(root):
    source = open_source(Data(root=str(root), **SOURCE))
    index = source.listing.names.index("rise/take9")
    out = np.empty([1, 21, 3, 16, 16], np.uint8)
    source.read(
        *(index,),
        frames=np.arange(21),
        regions=[(0, 0, 24, 32)],
        size=16,
        flip=False,
        out=out,
    )
    np.testing.assert_array_equal(decoded_numbers(out[0]), np.arange(21))


def test_clips_are_those_of_the_same_frames_in_files(root, tmp_path):
    """The same set as videos without loss, with the same names and split."""
    videos = tmp_path / "videos"
    for folder in sorted({path.parent for path in root.rglob("*.png")}):
        target = videos / folder.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        size = (32, 24)
        code = cv2.VideoWriter_fourcc(*"FFV1")
        writer = cv2.VideoWriter(f"{target}.avi", cv2.CAP_FFMPEG, code, 25.0, size)
        for number in range(1, len(list(folder.iterdir())) + 1):
            writer.write(cv2.imread(str(folder / f"img_{number}.png")))
        writer.release()
    rows = [f"{('fall', 'rise')[n % 2]}/take{n}" for n in range(10)]
    rows[4] = "fall/deep/take4"
    for folder, ending in ((root, ""), (videos, ".avi")):
        lines = [
            f"{r}{ending},{r.split('/')[0]},{'test' if n > 7 else 'train'},{n}\n"
            for n, r in enumerate(rows)
        ]
        (folder / "split.csv").write_text("video,class,split,group\n" + "".join(lines))
    pictures = open_set(root, **SOURCE)
    files = open_set(videos, **{**SOURCE, "source": "folder"})
    assert_same(train(pictures, 4), train(files, 4))


def test_a_pattern_chooses_among_pictures(root):
    write(root / "fall" / "take0", counting_frames(3), "flow_x_{}.png")
    folder = root / "fall" / "take0"
    assert inspect(folder, "*").frames == 15
    assert inspect(folder, "img_*.png").frames == 12
    for pattern, frames in (("*", 15), ("img_*", 12), ("flow*", 3), ("*", 15)):
        data = Data(root=str(root), frame_pattern=pattern, **SOURCE)
        if pattern != "flow*":
            assert dict(scan_source(data))["fall/take0"].frames == frames
    with pytest.raises(DataError, match="at least two class folders"):
        open_source(Data(root=str(root), frame_pattern="flow*", **SOURCE))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda f: (f / "img_3.png").write_bytes(b"no"),
            "a frame 2 that cannot be dec",
        ),
        (lambda f: write(f, counting_frames(1, 8, 8), "img_3{}.png"), "several sizes"),
    ],
)
def test_bad_pictures_make_a_bad_video(root, change, reason):
    folder = root / "fall" / "take0"
    change(folder)
    assert reason in inspect(folder, "*").reason
    clips = open_set(root, max_bad_fraction=0.5, **SOURCE)
    bad = clips.bad_train_videos | clips.bad_test_videos
    assert list(bad) == ["fall/take0"]


def test_an_empty_or_absent_folder_is_bad(tmp_path):
    assert inspect(tmp_path, "*").reason == "holds no frame"
    assert "cannot be listed" in inspect(tmp_path / "gone", "*").reason
    with pytest.raises(DecodeError, match="cannot be listed"):
        Pictures(tmp_path / "gone", "*")


def test_a_picture_that_goes_away_is_a_lost_frame(root):
    pictures = Pictures(root / "fall" / "take0", "*")
    (root / "fall" / "take0" / "img_1.png").unlink()
    with pytest.raises(DecodeError, match="frame 0 cannot be read: No such file"):
        pictures[0]


def test_content_is_that_of_the_middle_picture(root, tmp_path):
    folder = root / "fall" / "take0"
    shutil.copytree(folder, tmp_path / "copy")
    assert content_key(tmp_path / "copy") == content_key(folder)
    assert content_key(root / "fall" / "take2") != content_key(folder)
    (tmp_path / "empty").mkdir()
    assert content_key(tmp_path / "empty").startswith("unreadable-")


def test_pictures_in_the_root_are_refused(tmp_path):
    write(tmp_path, counting_frames(2))
    with pytest.raises(DataError, match="holds pictures itself"):
        find_frames(tmp_path, pattern="*")
