import numpy as np

from storage.contact_sheets import clip_title, contact_sheet


def test_sheet_has_a_titled_row_for_each_clip():
    clip = np.zeros((16, 3, 8, 8), np.uint8)
    clip[8:, 0] = 255

    figure = contact_sheet(["one", "two"], [clip, clip])

    assert [axes.get_title(loc="left") for axes in figure.axes] == ["one", "two"]
    strip = figure.axes[0].images[0].get_array()
    assert strip.shape[0] == 8
    np.testing.assert_array_equal(strip[0, 0], (0, 0, 0))
    np.testing.assert_array_equal(strip[0, -3], (255, 0, 0))


def test_a_title_says_what_could_not_be_decoded():
    assert clip_title("Fall", "Fall/v_1.avi") == "Fall: v_1"
    assert clip_title("Fall", "Fall/v_1.avi", 0.0) == "Fall: v_1, could not be decoded"
