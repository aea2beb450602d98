"""Texts in pictures are what they say, and boxes are told of once."""

import io
import logging
import warnings

import matplotlib
import numpy as np
import pytest
from matplotlib import font_manager, image
from matplotlib.figure import Figure

from storage import pictures
from storage.pictures import LONGEST, drawn_as_they_are, jpeg, label, png


def drawn(*names, size=12):
    """The pixels of a picture of names below each other."""
    with drawn_as_they_are(names):
        figure = Figure(figsize=(3, 0.4 * len(names)))
        for place, name in enumerate(names):
            figure.text(0.05, (place + 0.3) / len(names), name, fontsize=size)
        return png(figure, dpi=50)


@pytest.mark.parametrize("name", ["$x^2$", "$\\nonsense{$", "a_$b$", r"\$5", "$", "%"])
def test_a_name_is_no_formula(name):
    """It is drawn letter by letter, as matplotlib does where it reads no formulas."""
    with matplotlib.rc_context({"text.parse_math": False}):
        figure = Figure(figsize=(3, 0.4))
        figure.text(0.05, 0.3, name, fontsize=12)
        expected = png(figure, dpi=50)
    assert drawn(name) == expected


def test_settings_of_the_user_cannot_bring_formulas_back():
    settings = ("text.usetex", "text.parse_math", "axes.formatter.use_mathtext")
    with matplotlib.rc_context(dict.fromkeys(settings, True)):
        assert drawn("a_$b").startswith(b"\x89PNG")


def test_a_long_name_loses_its_middle():
    assert label("x" * LONGEST) == "x" * LONGEST
    text = label("a" * 200 + "b" * 200)
    assert len(text) == LONGEST and "…" in text
    assert text.startswith("aaa") and text.endswith("bbb")
    assert label("a\nb\x1b") == r"a\nb\x1b"


@pytest.fixture
def only_dejavu(monkeypatch):
    """A machine on which no other font is installed."""
    found = [e for e in font_manager.fontManager.ttflist if e.name == "DejaVu Sans"]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", found)


@pytest.mark.usefixtures("only_dejavu")
def test_boxes_are_told_of_in_one_line(caplog):
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        drawn("快钱", "plain", "カフェ", "한국어", "数", "pay_$5")
    (record,) = caplog.records
    assert (
        "characters of 快钱, カフェ, 한국어 and 1 other names: " in record.getMessage()
    )


@pytest.mark.usefixtures("only_dejavu")
@pytest.mark.parametrize(
    "name", ["é", "e\u0301", "می\u200cخواهم", "😀", "a\u3000b", "☀\ufe0f"]
)
def test_what_the_usual_font_has_is_not_complained_about(name, caplog):
    drawn(label(name))
    assert not caplog.records


def test_an_installed_font_stands_in(caplog):
    """One of those that come with matplotlib has letters that DejaVu Sans lacks."""
    usual = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    other = font_manager.get_font(font_manager.findfont("STIXGeneral"))
    lacking = sorted(other.get_charmap().keys() - usual.get_charmap().keys())
    name = "".join(chr(c) for c in lacking if chr(c).isalpha())[:3]
    assert name
    with drawn_as_they_are([name]), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(matplotlib.rcParams["font.family"]) > 1
        figure = Figure(figsize=(3, 0.4))
        figure.text(0.05, 0.3, name)
        png(figure, dpi=50)
    assert not caplog.records


def test_the_font_of_boxes_is_none(monkeypatch):
    fonts = pictures._fonts_for(("\U000107ff",))  # A character that no font has.
    assert not [font for font in fonts if "Last Resort" in font]


def test_a_font_that_is_broken_is_passed_over(monkeypatch, tmp_path, caplog):
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(bytes(np.arange(200, dtype=np.uint8)))
    entry = font_manager.FontEntry(
        fname=str(broken), name="A Sans", style="normal", weight=400
    )
    usual = [e for e in font_manager.fontManager.ttflist if e.name == "DejaVu Sans"]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [*usual, entry])
    assert drawn("快").startswith(b"\x89PNG")
    assert len(caplog.records) == 1


def test_a_jpeg_is_nearly_the_picture_and_smaller_at_less_quality():
    rows, columns = np.mgrid[:48, :96]
    planes = (5 * rows, 2 * columns, 255 - rows - columns)
    picture = np.stack(planes, axis=-1).astype(np.uint8)
    read = image.imread(io.BytesIO(jpeg(picture)), format="jpeg")
    assert read.shape == picture.shape
    assert np.abs(read.astype(int) - picture).mean() < 3
    assert len(jpeg(picture, quality=20)) < len(jpeg(picture))
