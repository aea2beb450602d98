"""What is wrong can be seen in the picture of the confusion matrix, however little."""

import io

import numpy as np
import pytest
from matplotlib import image

from model.evaluation import picture
from model.evaluation.picture import matrix_png, worst_confusions


def pixels(matrix, names=None):
    """float [height, width, 3] in [0, 1] of the picture of a matrix."""
    names = names or [f"class {i}" for i in range(len(matrix))]
    result = {"top1": 0.5, "videos": int(matrix.sum())}
    return image.imread(io.BytesIO(matrix_png(matrix, names, result)))[..., :3]


def orange(picture):
    """How many pixels are clearly orange: much more red than blue."""
    return np.count_nonzero(picture[..., 0] - picture[..., 2] > 0.3)


@pytest.mark.parametrize("classes", [4, 40, 101])
def test_one_wrong_video_of_37_is_seen(classes):
    """As a cell of its own colour, beside the picture in which all are right."""
    right = np.zeros([classes, classes + 1], int)
    right[np.arange(classes), np.arange(classes)] = 37
    wrong = right.copy()
    wrong[0, [0, 3]] = 36, 1
    before, after = pixels(right), pixels(wrong)
    # The bar of colours has some in both.
    assert orange(after) - orange(before) > 10 * 10


def test_colours_stand_out_from_white_as_soon_as_there_is_a_video():
    colours = picture._colours()
    for share in (-1, -0.01, 0.01, 1):
        red, green, blue, _ = colours((share + 1) / 2)
        assert min(red, green, blue) < 0.8
        assert (red > blue) == (share < 0)


def test_counts_are_written_off_the_diagonal_of_many_classes(monkeypatch):
    written = []
    monkeypatch.setattr(
        "matplotlib.axes.Axes.text", lambda _, x, y, text, **__: written.append(text)
    )
    matrix = np.zeros([40, 41], int)
    matrix[np.arange(40), np.arange(40)] = 30
    matrix[3, 7], matrix[9, 40] = 12, 2  # The last column has no prediction.
    pixels(matrix)
    assert sorted(written) == [2, 12]
    written.clear()
    pixels(np.ones([40, 41], int))
    assert len(written) == picture.MOST_COUNTS


def test_the_worst_confusions_are_named_first():
    names = ["YoYo", "Punch", "Rowing", "Fencing"]
    matrix = np.array(
        [[9, 3, 0, 0, 0], [0, 5, 0, 1, 9], [1, 2, 6, 0, 0], [0, 0, 2, 3, 0]]
    )
    assert worst_confusions(matrix, names) == [
        "YoYo taken for Punch 3 of 12",
        "Fencing taken for Rowing 2 of 5",
        "Rowing taken for Punch 2 of 9",
        "Rowing taken for YoYo 1 of 9",
        "Punch taken for Fencing 1 of 15",
    ]
    assert worst_confusions(np.eye(3, 4, dtype=int), names[:3]) == []
    assert len(worst_confusions(np.ones([9, 10], int), "abcdefghi")) == 5
