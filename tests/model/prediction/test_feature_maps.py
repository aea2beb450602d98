import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from configs.command.errors import ConfigError, StorageError
from data.sliding import Place, Window
from model import create_model
from model.classifier import normalise
from model.prediction.feature_maps import FeatureMaps
from model.prediction.predictor import Predictor
from tests.model.prediction.test_explanation import SMALL

BAD = ValueError("bad")


def map_of(number):
    """A map whose values tell its number."""
    return np.full([2, 1, 1, 3], number, np.float32)


def written(elements, path, crops=2):
    """The arrays of a file of maps.

    Args:
        elements: (name, number of views or error) of all that come.
        path: of the file.
        crops: see `FeatureMaps`.
    """
    maps, count = FeatureMaps(path, crops), 0
    for number, (_, views) in enumerate(elements):
        for view in range(0 if isinstance(views, Exception) else views):
            maps.add(number, view, map_of(count))
            count += 1
    assert list(maps.taken_from(elements)) == elements
    maps.write()
    with np.load(path) as file:  # Without pickles.
        return {name: file[name] for name in file.files}


def test_each_view_has_a_row_with_its_name(tmp_path):
    file = written(
        [("a.mp4", 4), ("bad.mp4", BAD), ("\u00e4.mp4", 4)], tmp_path / "m.npz"
    )
    assert file.keys() == {"videos", "clip", "crop", "features"}
    assert file["videos"].tolist() == ["a.mp4"] * 4 + ["\u00e4.mp4"] * 4
    assert file["clip"].tolist() == [0, 0, 1, 1] * 2
    assert file["crop"].tolist() == [0, 1, 0, 1] * 2
    assert file["features"].dtype == np.float32
    np.testing.assert_array_equal(file["features"], [map_of(n) for n in range(8)])


def test_clips_that_slide_say_where_they_lie(tmp_path):
    elements = [
        (Place(0, "a.mp4", Window(0, 6, 25.0)), 2),
        (Place(0, "a.mp4", Window(3, 9, 25.0)), 2),
        (Place(1, "b.mp4", Window(0, 6, 25.0)), 2),
        (Place(1, "b.mp4"), BAD),  # Its rest cannot be read: nothing of it is kept.
        (Place(1, "b.mp4", Window(3, 9, 25.0)), 2),
        (Place(2, "a.mp4", Window(0, 6, 25.0)), 2),  # The same file once more.
    ]
    file = written(elements, tmp_path / "maps.npz")
    assert file.keys() == {"videos", "crop", "first_frame", "last_frame", "features"}
    assert file["videos"].tolist() == ["a.mp4"] * 6
    assert file["first_frame"].tolist() == [0, 0, 3, 3, 0, 0]
    assert file["last_frame"].tolist() == [6, 6, 9, 9, 6, 6]
    assert file["crop"].tolist() == [0, 1] * 3
    numbers = [0, 1, 2, 3, 8, 9]
    np.testing.assert_array_equal(file["features"], [map_of(n) for n in numbers])


def test_without_a_video_there_are_no_rows(tmp_path):
    file = written([("bad.mp4", BAD)], tmp_path / "maps.npz")
    assert len(file["videos"]) == len(file["features"]) == 0


def test_it_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    maps = FeatureMaps(tmp_path / "maps.npz", 1)
    maps.add(0, 0, map_of(0))
    assert list(tmp_path.iterdir()) == []  # What waits has no name.
    list(maps.taken_from([("a.mp4", 1)]))

    def full(*_):
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(FeatureMaps, "_copy", full)
        with pytest.raises(StorageError, match=r"maps\.npz could not be written.*full"):
            maps.write()
    assert list(tmp_path.iterdir()) == []
    maps.write()
    with pytest.raises(ConfigError, match="must not exist yet"):
        maps.write()


@pytest.mark.parametrize("batch_size", [2, 5])
def test_maps_are_what_the_backbone_gives(tmp_path, batch_size):
    tf.keras.utils.set_random_seed(4)
    model = create_model(dataclasses.replace(SMALL), num_classes=3, pretrained=False)
    generator = np.random.default_rng(0)
    views = generator.integers(0, 256, [3, 8, 3, 32, 32], np.uint8)
    maps = FeatureMaps(tmp_path / "maps.npz", 1)
    predictor = Predictor(model, batch_size, features=True, keep_map=maps.add)
    [(_, row)] = maps.taken_from(predictor([("a.mp4", views)]))
    maps.write()
    with np.load(tmp_path / "maps.npz") as file:
        found = file["features"]
    expected = model.backbone(normalise(views), training=False, masks=())
    assert found.shape == (3, 4, 4, 4, 16)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.mean(axis=(0, 1, 2, 3)), row[3:], rtol=1e-4)
