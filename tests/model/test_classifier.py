"""The classifier: what it computes, and one update on one or several replicas."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from configs.schema import Model, Optimizer
from model import create_model, create_optimizer
from model.classifier import MEAN, STANDARD_DEVIATION, draw_kept, normalise
from tests.replicas import mirrored

MODEL = Model(
    embed_dim=8,
    depths=(2,),
    num_heads=(2,),
    window_size=(2, 4, 4),
    patch_size=(2, 4, 4),
    drop_path_rate=0.3,
    dropout=0.5,
)


def clips(count, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, [count, 4, 3, 32, 32], dtype=np.uint8)


def seeds(count):
    return np.stack([np.arange(count), 7 * np.arange(count)], axis=1).astype(np.int32)


def compiled(strategy=None, steps=10, **options):
    keras.utils.set_random_seed(1)
    with (strategy or tf.distribute.get_strategy()).scope():
        model = create_model(MODEL, num_classes=3)
        config = Optimizer(learning_rate=0.01, warmup_epochs=0)
        optimizer = create_optimizer(
            config, model, batch_size=4, steps=steps, warmup_steps=2
        )
        model.compile(optimizer, **options)
    return model


def update(model, replicas=1, weights=(1, 1, 1, 1)):
    """One update from four examples, spread over the replicas."""
    strategy = model.distribute_strategy
    inputs = {"clip": clips(4), "seed": seeds(4), "video": np.arange(4)}
    batch = (inputs, np.array([0, 1, 2, 1], np.int32), np.array(weights, np.float32))
    size = 4 // replicas

    def part(context):
        index = context.replica_id_in_sync_group
        own = slice(index * size, (index + 1) * size)
        return tf.nest.map_structure(lambda value: tf.constant(value[own]), batch)

    if replicas == 1:
        data = tf.nest.map_structure(tf.constant, batch)
    else:
        values = [part(_Context(index)) for index in range(replicas)]
        data = tf.nest.map_structure(
            lambda *parts: strategy.experimental_distribute_values_from_function(
                lambda context: parts[context.replica_id_in_sync_group]
            ),
            *values,
        )
    return model.make_train_function()(iter([data]))


class _Context:
    def __init__(self, index):
        self.replica_id_in_sync_group = index


def weights_of(model):
    return [variable.numpy() for variable in model.variables]


def test_normalisation_is_the_official_one():
    clip = clips(2)
    expected = (clip.transpose(0, 1, 3, 4, 2) - np.array(MEAN)) / STANDARD_DEVIATION
    np.testing.assert_allclose(
        normalise(clip).numpy().transpose(0, 1, 3, 4, 2), expected, atol=1e-5
    )


def test_the_output_is_logits_of_the_official_head():
    """Not probabilities: the predecessor's head applied softmax before such a loss."""
    model = compiled()
    model.head.bias.assign([5.0, -5.0, 0.0])
    logits = model(clips(2)).numpy()
    features = model.backbone(normalise(clips(2))).numpy().mean(axis=(1, 2, 3))
    expected = features @ model.head.kernel.numpy() + model.head.bias.numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    assert logits.min() < 0 and not np.allclose(logits.sum(axis=1), 1)


def test_evaluation_is_free_of_chance_and_training_is_not():
    model = compiled()
    clip = clips(2)
    np.testing.assert_array_equal(model(clip), model(clip, training=False))
    inputs = [{"clip": clip, "masks": model.draw_masks(seeds(n)[-2:])} for n in (2, 9)]
    one, other = (model(i, training=True).numpy() for i in inputs)
    assert np.abs(one - other).max() > 1e-4
    np.testing.assert_array_equal(one, model(inputs[0], training=True))


def test_masks_follow_the_example_and_not_its_place():
    whole = draw_kept(seeds(4), 64, 0.5).numpy()
    parts = [draw_kept(seeds(4)[i : i + 1], 64, 0.5) for i in range(4)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert len({row.tobytes() for row in whole}) == 4


def test_dropout_keeps_the_mean():
    kept = draw_kept(seeds(400), 50, 0.3).numpy() / (1 - 0.3)
    assert kept.mean() == pytest.approx(1, abs=0.02)


def test_the_loss_is_smoothed_cross_entropy_of_logits():
    model = compiled(label_smoothing=0.1)
    logits = np.array([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0]], np.float32)
    labels = np.array([0, 2])
    expected = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=0.1, reduction="none"
    )(np.eye(3)[labels], logits)
    np.testing.assert_allclose(
        model.losses_per_example(labels, tf.constant(logits)), expected, rtol=1e-6
    )


@pytest.mark.parametrize(
    ("replicas", "accumulation_steps"), [(2, 1), (4, 1), (1, 2), (1, 4), (2, 2)]
)
def test_an_update_is_the_same_however_its_batch_is_split(replicas, accumulation_steps):
    reference = compiled()
    strategy = mirrored(replicas) if replicas > 1 else None
    model = compiled(strategy, accumulation_steps=accumulation_steps)
    for _ in range(2):
        expected = update(reference)
        result = update(model, replicas)
        assert result["loss"] == pytest.approx(expected["loss"], rel=1e-5)
        assert result["gradient_norm"] == pytest.approx(
            expected["gradient_norm"], rel=1e-5
        )
        np.testing.assert_array_equal(result["video"], expected["video"])
    for ours, theirs in zip(weights_of(model), weights_of(reference), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_examples_of_weight_0_count_for_nothing():
    model = compiled(mirrored(2))
    result = update(model, 2, weights=(1, 0, 0, 0))
    alone = compiled()
    inputs = {"clip": clips(4)[:1], "seed": seeds(4)[:1], "video": np.arange(1)}
    data = tf.nest.map_structure(
        tf.constant, (inputs, np.array([0], np.int32), np.ones(1, np.float32))
    )
    assert result["weight"] == 1
    assert result["loss"] == pytest.approx(
        alone.make_train_function()(iter([data]))["loss"], rel=1e-5
    )


@pytest.mark.parametrize("replicas", [1, 2])
def test_an_update_that_is_not_finite_is_skipped_on_every_replica(replicas):
    """One bad example lies on one replica only."""
    model = compiled(mirrored(replicas) if replicas > 1 else None)
    before = weights_of(model)
    result = update(model, replicas, weights=(1, 1, 1, np.inf))
    assert not np.isfinite(result["loss"])
    for ours, theirs in zip(weights_of(model), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert model.optimizer.iterations.numpy() == 1
    assert np.isfinite(update(model, replicas)["loss"])
    assert any(np.any(a != b) for a, b in zip(weights_of(model), before, strict=True))


def test_the_learning_rate_moves_inside_the_graph():
    """The predecessor's was fixed when its step was traced."""
    model = compiled()
    rates = [update(model)["learning_rate"] for _ in range(4)]
    assert rates[0] < rates[1] < rates[2] > rates[3]
    schedule = model.optimizer.schedule
    np.testing.assert_allclose(rates, [schedule(step) for step in range(4)], rtol=1e-6)


def test_float16_scales_the_loss_and_lowers_the_scale_on_overflow():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = compiled()
        assert update(model)["loss_scale"] == 2**15
        update(model, weights=(1, 1, 1, np.inf))
        assert update(model)["loss_scale"] == 2**14
        assert model(clips(1)).dtype == tf.float32
    finally:
        keras.mixed_precision.set_global_policy("float32")
