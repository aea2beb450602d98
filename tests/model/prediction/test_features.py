import numpy as np

from data.sliding import Place, Window
from model.prediction.features import Features

BAD = ValueError("bad")


def written(results, path):
    features = Features(2)
    left = list(features.taken_from(results))
    features.write(path)
    with np.load(path) as file:  # Without pickles.
        return left, {name: file[name] for name in file.files}


def test_features_of_videos_are_kept_with_their_names(tmp_path):
    results = [
        ("a.mp4", np.array([0.25, 0.75, 1.0, 2.0, 3.0])),
        ("bad.mp4", BAD),
        ("ä b.mp4", np.array([0.5, 0.5, 4.0, 5.0, 6.0])),
    ]
    left, file = written(results, tmp_path / "features.npz")
    assert [name for name, _ in left] == ["a.mp4", "bad.mp4", "ä b.mp4"]
    assert left[0][1].tolist() == [0.25, 0.75] and left[1][1] is BAD
    assert file.keys() == {"videos", "features"}
    assert file["videos"].tolist() == ["a.mp4", "ä b.mp4"]
    assert file["features"].dtype == np.float32
    assert file["features"].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_features_of_clips_say_where_they_lie(tmp_path):
    results = [
        (Place(0, "a.mp4", Window(0, 6, 25.0)), np.array([1.0, 0.0, 7.0])),
        (Place(0, "a.mp4", Window(3, 9, 25.0)), np.array([0.0, 1.0, 8.0])),
        (Place(1, "b.mp4", Window(0, 6, 25.0)), np.array([0.0, 1.0, 9.0])),
        (Place(1, "b.mp4"), BAD),  # Its rest cannot be read: nothing of it is kept.
        (Place(1, "b.mp4", Window(3, 9, 25.0)), np.array([0.0, 1.0, 9.0])),
    ]
    left, file = written(results, tmp_path / "features.npz")
    assert [str(place)[:5] for place, _ in left] == ["a.mp4"] * 2 + ["b.mp4"] * 3
    assert file["videos"].tolist() == ["a.mp4", "a.mp4"]
    assert file["first_frame"].tolist() == [0, 3]
    assert file["last_frame"].tolist() == [6, 9]
    assert file["features"].tolist() == [[7], [8]]


def test_without_a_video_there_are_no_rows(tmp_path):
    _, file = written([("bad.mp4", BAD)], tmp_path / "features.npz")
    assert len(file["videos"]) == len(file["features"]) == 0
