"""Pictures whose texts are names from outside: drawn as they are, never interpreted."""

import contextlib
import functools
import io
import warnings

import matplotlib
from absl import logging
from matplotlib import font_manager
from matplotlib.image import imsave

from configs.command.text import JOINERS, printable

LONGEST = 40  # characters of a name in a picture
VARIATION_SELECTORS = {chr(code) for code in range(0xFE00, 0xFE10)}
# A font of matplotlib's own with a box for every character there is.
NO_GLYPHS = "Last Resort"


def label(name):
    """A name as pictures show it: on one line, without its middle where it is long."""
    text = printable(name)
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2
    return f"{text[:half]}…{text[half + 1 - LONGEST :]}"


@contextlib.contextmanager
def drawn_as_they_are(names):
    """Settings under which matplotlib draws names: no formulas, and fonts that fit.

    Figures are made and saved inside. Two `$` in a name would be a formula, which most
    names are not. Where the usual font lacks characters, an installed one that has them
    stands in; where none has, one line of the log says which names show boxes.

    Args:
        names: all texts from outside that are drawn, as `label` gives them.
    """
    usual = matplotlib.rcParams["font.family"]
    settings = {
        "text.parse_math": False,
        "text.usetex": False,
        "axes.formatter.use_mathtext": False,
        "font.family": [*usual, *_fonts_for(tuple(names))],
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # Once for each character and text; said once instead.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def png(figure, dpi):
    """A figure as the bytes of a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi)
    return file.getvalue()


def jpeg(picture, quality=90):
    """A picture as the bytes of a JPEG file.

    Args:
        picture: uint8 [height, width, 3], RGB.
        quality: in [1, 95], as Pillow counts it.
    """
    file = io.BytesIO()
    imsave(file, picture, format="jpeg", pil_kwargs={"quality": quality})
    return file.getvalue()


@functools.cache  # A video has a picture for each of its clips: said once.
def _fonts_for(names):
    """Families of installed fonts that have what the usual font lacks of some names."""
    usual = font_manager.get_font(font_manager.findfont(font_manager.FontProperties()))
    lacking = {c for c in set("".join(names)) if _needs_glyph(c) and not _has(usual, c)}
    families = []
    for entry in sorted(font_manager.fontManager.ttflist, key=_preference):
        if not lacking:
            break
        if NO_GLYPHS in entry.name or entry.name in families:
            continue
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            font = font_manager.get_font(entry.fname)
            found = {c for c in lacking if _has(font, c)}
            lacking -= found
            families += [entry.name] if found else []
    if lacking:
        boxes = [name for name in names if lacking & set(name)]
        logging.warning(
            "No installed font has all characters of %s%s: pictures show boxes "
            "instead. A font that has them, such as Noto Sans CJK, is found once it is "
            "installed.",
            ", ".join(boxes[:3]),
            f" and {len(boxes) - 3} other names" if len(boxes) > 3 else "",
        )
    return families


def _needs_glyph(character):
    invisible = JOINERS | VARIATION_SELECTORS
    return not character.isspace() and character not in invisible


def _has(font, character):
    return font.get_char_index(ord(character)) != 0


def _preference(entry):
    """Upright sans-serif fonts of usual weight first; the same order each time."""
    plain = entry.style == "normal" and entry.weight in (400, "normal", "regular")
    return not plain, "Sans" not in entry.name, entry.name, entry.fname
