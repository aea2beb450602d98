import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from configs.schema.model import VIDEO_SWIN_SIZES
from model.video_swin import block, linear
from model.video_swin.backbone import VideoSwin
from model.weights.names import from_official, official_names
from tests.replicas import mirrored

PARAMETERS = {"tiny": 28_158_070, "small": 49_816_678, "base": 88_048_984}


def small(**changes):
    options = {"depths": (2, 2), "num_heads": (1, 2), "window_size": (4, 3, 3)}
    return VideoSwin(**{"embed_dim": 8} | options | changes)


def clips(count=2, frames=8, height=32, width=32):
    generator = np.random.default_rng(0)
    return generator.normal(size=(count, frames, 3, height, width)).astype(np.float32)


def seeds(count=2):
    return tf.constant([[7, i] for i in range(count)])


def test_every_variant_has_its_parameter_count():
    assert set(PARAMETERS) == set(VIDEO_SWIN_SIZES)


@pytest.mark.parametrize(("name", "expected"), PARAMETERS.items())
def test_parameter_count_with_a_head_of_400_classes(name, expected, monkeypatch):
    for module in (block, linear):  # saves seconds
        monkeypatch.setattr(module, "truncated_normal", lambda: "zeros")
    backbone = VideoSwin(**VIDEO_SWIN_SIZES[name])
    head = (backbone.num_features + 1) * 400
    assert backbone.count_params() + head == expected


def test_equals_the_official_implementation(shared):
    reference = np.load(shared / "reference" / "official_a.npz")
    depths = (2, 2, 2, 2)
    backbone = VideoSwin(embed_dim=8, depths=depths, num_heads=(1, 2, 4, 8))
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


def test_is_rebuilt_from_its_config():
    backbone = small(drop_path_rate=0.2, recompute="block")
    config = backbone.get_config()
    assert config["num_heads"] == (1, 2) and config["drop_path_rate"] == 0.2
    assert VideoSwin.from_config(config).get_config() == config
    assert VideoSwin(**backbone.architecture).architecture == backbone.architecture


def test_variables_without_weight_decay_are_norms_and_bias_tables():
    """Two norms and a table a block, and those of embedding, merging and the end."""
    backbone = small()
    found = {
        path
        for path, variable in backbone.named_weights().items()
        if backbone.no_weight_decay.search(variable.name)
    }
    assert len(found) == 4 * (2 * 2 + 1) + 3 * 2
    assert all(path.endswith(("/gamma", "/beta", "_bias_table")) for path in found)
    rest = backbone.named_weights().keys() - found
    assert all(path.endswith(("/kernel", "/bias")) for path in rest)


def test_weights_are_assigned_by_path():
    backbone, other = small(), small()
    weights = {path: value.numpy() for path, value in other.named_weights().items()}
    backbone.assign_weights(weights | {"head/bias": np.zeros(3)})
    for mine, theirs in zip(backbone.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    with pytest.raises(KeyError, match="norm/gamma"):
        weights.pop("norm/gamma")
        backbone.assign_weights(weights)


def test_refuses_other_layouts():
    with pytest.raises(ValueError, match=r"\[batch, frames, 3, height, width\].*"):
        small()(np.zeros([1, 3, 8, 32, 32], np.float32))


def test_drop_path_decides_per_example_and_only_in_training():
    backbone = small(drop_path_rate=0.5)
    same = np.repeat(clips(1), 6, axis=0)
    still = backbone(same, training=False).numpy()
    masks = backbone.draw_masks(seeds(6))
    moved = backbone(same, training=True, masks=masks).numpy()
    np.testing.assert_allclose(still, np.repeat(still[:1], 6, axis=0), atol=1e-5)
    assert len({value.tobytes() for value in moved.round(3)}) > 1
    np.testing.assert_array_equal(
        moved, backbone(same, training=True, masks=masks).numpy()
    )


def test_drop_path_does_not_depend_on_how_a_batch_is_split():
    backbone = small(drop_path_rate=0.5)
    masks = backbone.draw_masks(seeds(4))
    whole = backbone(clips(4), training=True, masks=masks)
    parts = []
    for part in (slice(0, 2), slice(2, 4)):
        masks = backbone.draw_masks(seeds(4)[part])
        parts.append(backbone(clips(4)[part], training=True, masks=masks))
    np.testing.assert_allclose(whole, tf.concat(parts, 0), atol=1e-5)


def test_drop_path_keeps_the_mean_and_rises_with_depth():
    masks = small(drop_path_rate=0.5, depths=(2, 3)).draw_masks(seeds(1000))
    scales = tf.unstack(masks, axis=1)
    assert np.all(scales[0] == 1)
    for scale, rate in zip(scales, np.linspace(0, 0.5, 5), strict=True):
        assert np.mean(scale == 0) == pytest.approx(rate, abs=0.04)
        assert np.mean(scale) == pytest.approx(1, abs=0.08)


def test_drop_path_needs_masks():
    with pytest.raises(ValueError, match=r"masks must be what draw_masks returns"):
        small(drop_path_rate=0.5)(clips(), training=True)


@pytest.mark.parametrize("recompute", ["attention", "block"])
@pytest.mark.parametrize("training", [False, True])
def test_recompute_changes_no_feature(recompute, training):
    plain, other = small(), small(recompute=recompute)
    other.set_weights(plain.get_weights())
    np.testing.assert_array_equal(
        other(clips(), training=training), plain(clips(), training=training)
    )


def gradients(backbone, strategy=None):
    @tf.function
    def step():
        with tf.GradientTape() as tape:
            masks = backbone.draw_masks(seeds())
            features = backbone(clips(), training=True, masks=masks)
            loss = tf.reduce_mean(features[..., 0])
        return loss, tape.gradient(loss, backbone.trainable_variables)

    if strategy is None:
        return step()
    return strategy.experimental_local_results(strategy.run(step))[0]


@pytest.mark.parametrize("recompute", ["attention", "block"])
def test_recompute_gives_the_same_gradients_on_replicas_too(recompute):
    strategy = mirrored(2)
    plain = small(drop_path_rate=0.2)
    with strategy.scope():
        recomputed = small(drop_path_rate=0.2, recompute=recompute)
    recomputed.set_weights(plain.get_weights())
    loss, expected = gradients(plain)
    other, found = gradients(recomputed, strategy)
    assert float(loss) == pytest.approx(float(other), rel=1e-5)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_stays_close_to_float32(policy):
    exact = small(depths=(2, 2, 2), num_heads=(1, 2, 4))
    keras.mixed_precision.set_global_policy(policy)
    try:
        mixed = small(depths=(2, 2, 2), num_heads=(1, 2, 4))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    mixed.set_weights(exact.get_weights())
    expected, found = exact(clips()).numpy(), mixed(clips())
    error = np.abs(found - expected).max() / np.abs(expected).max()
    assert 1e-5 < error < 1.5e-2
