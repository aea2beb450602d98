import struct

import numpy as np
import pytest

from data.sliding import Window
from model.prediction import picture
from model.prediction.picture import Captions, timeline_png
from model.prediction.timeline import Timeline


def timeline(classes, clips=12, fps=25.0, seed=0):
    rows = np.random.default_rng(seed).dirichlet(np.full(classes, 0.3), clips)
    windows = [Window(32 * i, 32 * i + 63, fps) for i in range(clips)]
    return Timeline(f"video {seed}.mp4", windows, list(rows))


@pytest.fixture
def figures(monkeypatch):
    """The figures that are drawn."""
    figures, png = [], picture.png
    monkeypatch.setattr(
        picture, "png", lambda figure, dpi: figures.append(figure) or png(figure, dpi)
    )
    return figures


def names_of(axes):
    return [line.get_label() for line in axes.get_lines()]


def test_each_likeliest_class_has_a_line_and_its_part_of_the_strip(figures):
    shown = timeline(3)
    content = timeline_png([shown], ("Fall", "$Rise$", "Slide"))
    assert content.startswith(b"\x89PNG")
    [axes] = figures[0].get_axes()
    best = np.stack(shown.probabilities).argmax(axis=1)
    assert set(names_of(axes)) == {("Fall", "$Rise$", "Slide")[i] for i in best}
    ends = [patch.get_extents().width for patch in axes.patches]
    assert len(ends) == len(best)  # One part for each clip, …
    lefts = sorted(patch.get_xy()[0] for patch in axes.patches)
    widths = sum(patch.get_width() for patch in axes.patches)
    assert lefts[0] == 0 and widths == pytest.approx(416 / 25)  # … of all the video.
    assert axes.get_xlabel() == "seconds"


def test_videos_lie_one_below_the_other(figures):
    shown = [timeline(4, seed=n) for n in range(3)]
    shown.append(timeline(4, clips=1, fps=0.0, seed=3))
    content = timeline_png(shown, tuple("abcd"))
    titles = [axes.get_title(loc="left") for axes in figures[0].get_axes()]
    assert titles == [f"video {n}.mp4" for n in range(4)]
    assert figures[0].get_axes()[-1].get_xlabel() == "frames"
    width, height = struct.unpack(">II", content[16:24])
    assert height > width


def test_of_many_classes_the_most_frequent_have_lines(figures):
    timeline_png([timeline(400, clips=40)], [f"class {n}" for n in range(400)])
    assert len(names_of(figures[0].get_axes()[0])) == picture.MOST_CLASSES


def test_a_frame_has_the_classes_of_the_nearest_clip():
    shown = timeline(5, clips=3)  # Middles at 31.5, 63.5 and 95.5.
    captions = Captions(shown, tuple("abcde"), top=3)
    drawn = {n: captions(n, 240, 320) for n in (0, 47, 48, 79, 80, 127)}
    assert drawn[0].shape == (3 * 17, 320, 4) and drawn[0].dtype == np.uint8
    for one, two, same in ((0, 47, True), (47, 48, False), (48, 79, True)):
        assert np.array_equal(drawn[one], drawn[two]) == same
    assert np.array_equal(drawn[80], drawn[127])
    blue = (drawn[0][..., 2] > 120) & (drawn[0][..., 0] < 100)  # the bars
    widths = blue.sum(axis=1)
    likely = np.sort(shown.probabilities[0])[::-1]
    longest = [widths[i * 17 : (i + 1) * 17].max() for i in range(3)]
    np.testing.assert_allclose(longest, 320 * likely[:3], atol=8)
