import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from configs.schema import Model
from model import create_model
from model.classifier import normalise
from model.prediction import explanation
from model.prediction.explanation import activation_maps, explanation_png

SMALL = Model(
    embed_dim=8,
    depths=(1, 1),
    num_heads=(1, 2),
    window_size=(2, 4, 4),
    patch_size=(2, 4, 4),
)


@pytest.fixture(scope="module")
def model():
    tf.keras.utils.set_random_seed(4)
    model = create_model(SMALL, num_classes=3, pretrained=False)
    model.head.kernel.assign(tf.random.stateless_normal([16, 3], [1, 2]))
    return model


@pytest.fixture(scope="module")
def clip():
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, [8, 3, 32, 32], np.uint8)


def test_a_map_is_that_of_grad_cam(model, clip):
    """Which takes gradients, and averages them: Selvaraju et al. 2017, (1) and (2)."""
    maps = activation_maps(model, clip)
    assert maps.shape == (3, 4, 4, 4)
    features = model.backbone(normalise(clip[None]), training=False, masks=())
    for label in range(3):
        with tf.GradientTape() as tape:
            tape.watch(features)
            logits = model.head(tf.reduce_mean(features, axis=(1, 2, 3)))
            logit = logits[0, label]
        weights = tf.reduce_mean(tape.gradient(logit, features), axis=(0, 1, 2, 3))
        grad_cam = tf.nn.relu(tf.reduce_sum(features[0] * weights, axis=-1))
        np.testing.assert_allclose(maps[label], 64 * grad_cam, rtol=1e-4, atol=1e-5)


def test_maps_sum_up_to_the_logits(model, clip):
    """Where all speaks for a class: with the negative parts left in it is exact."""
    features = model.backbone(normalise(clip[None]), training=False, masks=())[0]
    whole = (features @ model.head.kernel).numpy().mean(axis=(0, 1, 2))
    np.testing.assert_allclose(whole, model(clip[None])[0], rtol=1e-4, atol=1e-5)


def test_the_picture_has_a_row_for_each_class(model, clip, monkeypatch):
    figures, png = [], explanation.png
    monkeypatch.setattr(
        explanation,
        "png",
        lambda figure, dpi: figures.append(figure) or png(figure, dpi),
    )
    names = ("Fall", "$Rise$", "Slide")
    row = np.array([0.2, 0.7, 0.1])
    assert explanation_png(model, clip, row, names, top=2).startswith(b"\x89PNG")
    axes = np.array(figures[0].get_axes()).reshape(3, 8)
    titles = [row[0].get_title(loc="left") for row in axes]
    assert titles == ["", "0.700  $Rise$", "0.200  Fall"]
    heat = activation_maps(model, clip)[1]
    for number, one in enumerate(axes[1]):
        frame, over = one.get_images()
        np.testing.assert_array_equal(
            frame.get_array(), clip[number].transpose(1, 2, 0)
        )
        expected = 0.6 * heat[number // 2] / heat.max()
        np.testing.assert_allclose(over.get_alpha(), expected, rtol=1e-6)


def test_a_class_for_which_nothing_speaks_is_clear(model, clip):
    mute = create_model(dataclasses.replace(SMALL), num_classes=2, pretrained=False)
    mute.head.kernel.assign(tf.zeros([16, 2]))
    assert not activation_maps(mute, clip).any()
    content = explanation_png(mute, clip, np.array([0.5, 0.5]), ("a", "b"), top=1)
    assert content.startswith(b"\x89PNG")
