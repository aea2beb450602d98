import inspect

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from model import patches, video_swin
from model.names import from_official, official_names
from model.video_swin import VARIANTS, VideoSwin
from model.windows import (
    effective_window,
    region_mask,
    relative_position_index,
    window_partition,
    window_reverse,
)

PARAMETERS = {"tiny": 28_158_070, "small": 49_816_678, "base": 88_048_984}


def small(**changes):
    options = {"embed_dim": 8, "depths": (2, 2), "heads": (1, 2), "window": (4, 3, 3)}
    return VideoSwin(**options | changes)


def clips(count=2, frames=8, height=32, width=32):
    generator = np.random.default_rng(0)
    return generator.normal(size=(count, frames, 3, height, width)).astype(np.float32)


def seeds(count=2):
    return tf.constant([[7, i] for i in range(count)])


def test_every_variant_has_its_parameter_count():
    assert set(PARAMETERS) == set(VARIANTS)


@pytest.mark.parametrize(("name", "expected"), PARAMETERS.items())
def test_parameter_count_with_a_head_of_400_classes(name, expected, monkeypatch):
    monkeypatch.setattr(patches, "truncated_normal", lambda: "zeros")  # saves seconds
    backbone = VideoSwin(**VARIANTS[name])
    head = (backbone.features + 1) * 400
    assert backbone.count_params() + head == expected


def test_equals_the_official_implementation(shared):
    reference = np.load(shared / "reference" / "official_a.npz")
    depths = (2, 2, 2, 2)
    backbone = VideoSwin(embed_dim=8, depths=depths, heads=(1, 2, 4, 8))
    names = official_names(depths)
    weights = backbone.named_weights()
    assert list(weights) != [] and set(weights) == set(names)
    for path, weight in weights.items():
        value = reference["state/" + names[path]]
        weight.assign(from_official(path, value))
    features = backbone(reference["input"].transpose(0, 2, 1, 3, 4)).numpy()
    expected = reference["features"].transpose(0, 2, 3, 4, 1)
    np.testing.assert_allclose(features, expected, rtol=0, atol=5e-6)
    logits = (
        features.mean((1, 2, 3)) @ reference["state/cls_head.fc_cls.weight"].T
        + reference["state/cls_head.fc_cls.bias"]
    )
    np.testing.assert_allclose(logits, reference["logits"], rtol=0, atol=5e-6)


def test_window_partition_is_undone_by_its_reverse():
    x = tf.random.stateless_normal([2, 4, 6, 9, 5], [1, 2])
    windows = window_partition(x, (2, 3, 3))
    assert windows.shape == (2, 12, 18, 5)
    np.testing.assert_array_equal(window_reverse(windows, (2, 3, 3), (4, 6, 9)), x)
    np.testing.assert_array_equal(windows[1, 1], tf.reshape(x[1, :2, :3, 3:6], [18, 5]))


def test_a_window_shrinks_to_a_small_map_and_does_not_shift_there():
    assert effective_window((16, 14, 7), (8, 7, 7)) == ((8, 7, 7), (4, 3, 0))
    assert effective_window((4, 14, 5), (8, 7, 7)) == ((4, 7, 5), (0, 3, 0))


def test_position_index_is_the_official_table():
    """Differences of coordinates, shifted to 0 and raised to mixed radix."""
    window = (2, 3, 2)
    grid = np.stack(np.meshgrid(*map(np.arange, window), indexing="ij")).reshape(3, -1)
    steps = (grid[:, :, None] - grid[:, None, :]).transpose(1, 2, 0)
    steps += np.array(window) - 1
    expected = steps @ [(2 * 3 - 1) * (2 * 2 - 1), 2 * 2 - 1, 1]
    np.testing.assert_array_equal(relative_position_index(window, 12), expected)
    np.testing.assert_array_equal(relative_position_index(window, 7), expected[:7, :7])


def test_region_mask_is_the_official_one():
    size, window, shift = (4, 6, 3), (2, 3, 3), (1, 1, 0)
    regions, count = np.zeros(size), 0
    cuts = [
        [slice(-side), slice(-side, -step or None), slice(-step or 0, None)]
        for side, step in zip(window, shift, strict=True)
    ]
    for frames in cuts[0]:
        for rows in cuts[1]:
            for columns in cuts[2]:
                regions[frames, rows, columns] = count
                count += 1
    ids = window_partition(tf.constant(regions[None, ..., None]), window)[0, ..., 0]
    same = ids[:, :, None] == ids[:, None, :]
    mask = region_mask(size, window, shift, tf.float32)
    np.testing.assert_array_equal(mask == 0, same)
    assert set(np.unique(mask)) == {0.0, -100.0}


@pytest.mark.parametrize(
    ("frames", "height", "width", "expected"),
    [(8, 32, 32, (4, 4, 4)), (5, 37, 50, (3, 5, 7)), (2, 4, 4, (1, 1, 1))],
)
def test_takes_any_clip_size(frames, height, width, expected):
    features = small()(clips(1, frames, height, width))
    assert features.shape == (1, *expected, 16)


def test_batch_size_is_free_in_a_function():
    backbone = small()
    function = tf.function(
        backbone, input_signature=[tf.TensorSpec([None, 8, 3, 32, 32])]
    )
    for count in (1, 3):
        np.testing.assert_allclose(
            function(clips(count)), backbone(clips(count)), atol=1e-5
        )
    graph = function.get_concrete_function().graph.as_graph_def()
    constants = [node.ByteSize() for node in graph.node if node.op == "Const"]
    assert max(constants) < 1000


def test_refuses_other_layouts():
    with pytest.raises(ValueError, match=r"\[batch, frames, 3, height, width\].*"):
        small()(np.zeros([1, 3, 8, 32, 32], np.float32))


def layers():
    """One layer of every class in the module."""
    yield small(drop_path=0.2, recompute=True)
    yield patches.PatchEmbedding(8, (2, 4, 4))
    yield video_swin.WindowAttention(8, 2, (2, 3, 3))
    yield video_swin.Block(8, 2, (2, 3, 3), True)
    yield patches.PatchMerging(8)


def test_every_layer_is_rebuilt_from_its_config():
    found = {
        member
        for _, member in inspect.getmembers(video_swin, inspect.isclass)
        if issubclass(member, keras.layers.Layer)
    }
    assert found == {type(layer) for layer in layers()}
    for layer in layers():
        again = type(layer).from_config(layer.get_config())
        assert again.get_config() == layer.get_config()


def test_drop_path_decides_per_example_and_only_in_training():
    backbone = small(drop_path=0.5)
    same = np.repeat(clips(1), 6, axis=0)
    still = backbone(same, training=False, seed=seeds(6)).numpy()
    moved = backbone(same, training=True, seed=seeds(6)).numpy()
    np.testing.assert_allclose(still, np.repeat(still[:1], 6, axis=0), atol=1e-5)
    assert len({value.tobytes() for value in moved.round(3)}) > 1
    np.testing.assert_array_equal(
        moved, backbone(same, training=True, seed=seeds(6)).numpy()
    )


def test_drop_path_does_not_depend_on_how_a_batch_is_split():
    backbone = small(drop_path=0.5)
    whole = backbone(clips(4), training=True, seed=seeds(4))
    parts = [
        backbone(clips(4)[i : i + 2], training=True, seed=seeds(4)[i : i + 2])
        for i in (0, 2)
    ]
    np.testing.assert_allclose(whole, tf.concat(parts, 0), atol=1e-5)


def test_drop_path_keeps_the_mean_and_rises_with_depth():
    scales = small(drop_path=0.5, depths=(2, 3)).branch_scales(seeds(1000))
    assert np.all(scales[0][0] == 1)
    for (scale,), rate in zip(scales, np.linspace(0, 0.5, 5), strict=True):
        assert np.mean(scale == 0) == pytest.approx(rate, abs=0.04)
        assert np.mean(scale) == pytest.approx(1, abs=0.08)


def test_drop_path_needs_seeds():
    with pytest.raises(ValueError, match=r"seed must be int \[batch, 2\]"):
        small(drop_path=0.5)(clips(), training=True)


def test_recompute_takes_part_in_training_only():
    backbone = small(recompute=True)
    np.testing.assert_array_equal(backbone(clips()), backbone(clips(), training=True))


def gradients(backbone, strategy=None):
    @tf.function
    def step():
        with tf.GradientTape() as tape:
            features = backbone(clips(), training=True, seed=seeds())
            loss = tf.reduce_mean(features[..., 0])
        return loss, tape.gradient(loss, backbone.trainable_variables)

    if strategy is None:
        return step()
    return strategy.experimental_local_results(strategy.run(step))[0]


def test_recompute_gives_the_same_gradients_on_replicas_too():
    strategy = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )
    plain = small(drop_path=0.2)
    with strategy.scope():
        recomputed = small(drop_path=0.2, recompute=True)
    recomputed.set_weights(plain.get_weights())
    loss, expected = gradients(plain)
    other, found = gradients(recomputed, strategy)
    assert float(loss) == pytest.approx(float(other), rel=1e-5)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_stays_close_to_float32(policy):
    exact = small(depths=(2, 2, 2), heads=(1, 2, 4))
    keras.mixed_precision.set_global_policy(policy)
    try:
        mixed = small(depths=(2, 2, 2), heads=(1, 2, 4))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    mixed.set_weights(exact.get_weights())
    expected, found = exact(clips()).numpy(), mixed(clips())
    error = np.abs(found - expected).max() / np.abs(expected).max()
    assert 1e-5 < error < 1.5e-2
