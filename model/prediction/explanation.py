"""Where in a clip a prediction comes from: class activation maps, as a picture."""

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from model.prediction.lines import likeliest
from storage.pictures import drawn_as_they_are, label, png

COLUMNS = 8  # frames shown of a clip, evenly spaced
INCHES = 1.5  # side of a frame
DPI = 100


def activation_maps(model, clip):
    """The class activation map of each class.

    The logit of a class is the mean, over time and space, of the features times its
    weights, plus a bias: the map is what is averaged, as far as it speaks for the
    class (Zhou et al. 2016, "Learning Deep Features for Discriminative Localization",
    section 2). For such a head it is what Grad-CAM gives, but for a factor (Selvaraju
    et al. 2017, section 3.1).

    Args:
        model: a `model.classifier.Classifier`.
        clip: uint8 [T, 3, H, W].

    Returns:
        float32 [classes, T', H', W'], from 0, of the backbone's last features.
    """
    weighted = model.features(clip[None])[0] @ model.head.kernel
    return tf.transpose(tf.nn.relu(weighted), [3, 0, 1, 2]).numpy()


def explanation_png(model, clip, probabilities, class_names, top):
    """Frames of a clip, and where on them the likeliest classes come from.

    The first row shows the frames alone; each further row one class, its map from clear
    (nothing speaks for it) to red (the most in this row).

    Args:
        model: see `activation_maps`, as for `clip`.
        clip: uint8 [T, 3, H, W], RGB.
        probabilities: float [classes], what is said of the video.
        class_names: in their order.
        top: how many classes have a row.

    Returns:
        bytes of a PNG file.
    """
    shown = np.linspace(0, len(clip) - 1, min(COLUMNS, len(clip))).astype(int)
    frames = clip[shown].transpose(0, 2, 3, 1)
    best = likeliest(probabilities, top)
    names = [label(class_names[i]) for i in best]
    maps = activation_maps(model, clip)
    rows = 1 + len(best)
    with drawn_as_they_are(names):
        size = (INCHES * len(shown), (INCHES + 0.25) * rows)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(rows, len(shown), squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for column, (number, frame) in enumerate(zip(shown, frames, strict=True)):
            grid[0, column].set_title(f"frame {number} of the clip", fontsize=7)
            for axes in grid[:, column]:
                axes.imshow(frame)
        for axes, i, name in zip(grid[1:], best, names, strict=True):
            axes[0].set_title(f"{probabilities[i]:.3f}  {name}", fontsize=8, loc="left")
            _lay_over(axes, maps[i], shown, clip.shape)
        return png(figure, DPI)


def _lay_over(row, heat, shown, shape):
    """Draws the map of one class over the frames of a row of axes."""
    frames, _, height, width = shape
    highest = heat.max() or 1.0
    for axes, number in zip(row, shown, strict=True):
        part = heat[min(number * len(heat) // frames, len(heat) - 1)] / highest
        axes.imshow(
            np.ones_like(part),
            cmap="autumn_r",
            vmin=0,
            vmax=1,
            alpha=0.6 * part,
            extent=(-0.5, width - 0.5, height - 0.5, -0.5),
            interpolation="bilinear",
        )
