"""Every parameter's gradient in low precision against float32, at full token counts.

A clip of 32 x 224 x 224 has 50,176 tokens in stage one. The bounds come from rounding:
a value is off by at most u = 2^-8 of itself in bfloat16 and u = 2^-11 in float16, about
u / 2 in the root mean square. Roundings are independent, so R of them in series amount
to sqrt(R) u / 2. On the longest way through this model, forwards and back, there are
about 30 in each of three blocks: sqrt(90) u / 2 = 4.7 u, that is 1.9 % in bfloat16 and
0.23 % in float16. Sums add nothing, if their accumulator is float32; in bfloat16 they
stop growing at 2^9 times what comes next, and over 50,176 rows most of one is lost. The
bounds leave half as much again, and more to float16, whose small gradients lose digits.
"""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from configs.schema import Model, Optimizer
from model import create_model, create_optimizer
from model.hub.library import KerasLayer
from model.video_swin.backbone import VideoSwin
from model.weights.names import official_names
from model.weights.saved_model import Reusable, in_order
from model.weights.signatures import backbone_function
from tests.replicas import mirrored

BOUNDS = {"mixed_bfloat16": 0.03, "mixed_float16": 0.01}
CLASSES = 5
CLIPS = 2


@pytest.fixture
def policy(request):
    """Sets a precision policy for one test."""
    keras.mixed_precision.set_global_policy(request.param)
    yield request.param
    keras.mixed_precision.set_global_policy("float32")


def trained_like(variables):
    """Gives variables weights of the size they have once a network has learnt.

    Activations keep their size from layer to layer and attention is not uniform.
    """
    generator = np.random.default_rng(0)
    for variable in variables:
        values = generator.normal(size=variable.shape)
        name = variable.name
        if name.endswith("kernel:0"):
            values /= np.sqrt(np.prod(variable.shape[:-1]))
        elif name.endswith("gamma:0"):
            values = 1 + 0.1 * values
        else:
            values *= 0.2
        variable.assign(values)


def clips():
    """Noise in blocks of 8 x 8 pixels: neighbouring tokens differ, but not in all."""
    generator = np.random.default_rng(1)
    blocks = generator.integers(0, 200, [CLIPS, 32, 3, 28, 28]).repeat(8, 3)
    blocks = blocks.repeat(8, 4)
    return np.uint8(blocks + generator.integers(0, 56, blocks.shape))


def first_gradients(replicas=1, accumulation_steps=1, recompute="none"):
    """Gradients by the variables' names, as the optimizer got them in one update.

    AdamW's first moment is then (1 - beta_1) times the gradient, after loss scaling,
    accumulation and the sum over replicas.
    """
    strategy = mirrored(replicas)
    config = Model(
        embed_dim=16,
        depths=(2, 1),
        num_heads=(1, 2),
        window_size=(4, 7, 7),
        patch_size=(2, 4, 4),
        drop_path_rate=0.0,
        dropout=0.0,
        recompute=recompute,
    )
    optimizer = Optimizer(beta_1=0.5, weight_decay=0.0, clip_norm=None)
    with strategy.scope():
        model = create_model(config, num_classes=CLASSES)
        trained_like(model.trainable_variables)
        model.compile(
            create_optimizer(optimizer, model, batch_size=2, steps=2, warmup_steps=1),
            accumulation_steps=accumulation_steps,
        )
    inputs = {"clip": clips(), "seed": np.ones([CLIPS, 2], np.int32)}
    batch = (
        inputs | {"video": np.arange(CLIPS)},
        np.arange(1, 1 + CLIPS, dtype=np.int32),
        np.ones(CLIPS, np.float32),
    )
    dataset = strategy.experimental_distribute_dataset(
        tf.data.Dataset.from_tensor_slices(batch).batch(CLIPS)
    )
    model.make_train_function()(iter(dataset))
    variables = model.trainable_variables
    moments = model.optimizer._moments
    return {
        variable.name: first.numpy() / (1 - optimizer.beta_1)
        for variable, (first, _) in zip(variables, moments, strict=True)
    }


@pytest.fixture(scope="module")
def exact():
    """The gradients in float32."""
    return first_gradients()


def errors(found, expected):
    """By name, the distance of two gradients over the length of the second."""
    assert found.keys() == expected.keys()
    return {
        name: np.linalg.norm(found[name] - value) / np.linalg.norm(value)
        for name, value in expected.items()
    }


@pytest.mark.parametrize("policy", BOUNDS, indirect=True)
@pytest.mark.parametrize(
    ("replicas", "options"),
    [
        (1, {}),
        (1, {"accumulation_steps": 2}),
        (2, {"recompute": "block"}),
    ],
)
def test_every_gradient_is_right_at_full_token_counts(policy, replicas, options, exact):
    found = errors(first_gradients(replicas, **options), exact)
    assert all(np.linalg.norm(value) > 0 for value in exact.values())
    wrong = {name: value for name, value in found.items() if value > BOUNDS[policy]}
    assert not wrong
    assert max(found.values()) > 1e-4  # it was computed in low precision


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"], indirect=True)
def test_gradients_stay_right_in_a_saved_model(policy, tmp_path):
    """Strangers fine-tune it with `hub.KerasLayer`; 16,384 rows in stage one."""
    sizes = {
        "embed_dim": 8,
        "depths": (2,),
        "num_heads": (1,),
        "window_size": (4, 4, 4),
    }
    backbone = VideoSwin(**sizes)
    trained_like(backbone.trainable_variables)
    variables = in_order(backbone)
    function, signature, _ = backbone_function(backbone, (8, 64, 64))
    root = Reusable(variables, function)
    tf.saved_model.save(root, str(tmp_path / "saved"), signatures=signature)
    keras.mixed_precision.set_global_policy("float32")
    loaded = KerasLayer(str(tmp_path / "saved"), trainable=True)
    native = VideoSwin(**sizes)
    native.set_weights(backbone.get_weights())
    clips = tf.random.stateless_normal([16, 3, 8, 64, 64], [0, 1])
    weights = tf.random.stateless_normal([8], [0, 2])

    def gradients(features, variables):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(features()) * weights)
        values = tape.gradient(loss, variables)
        return dict(zip(official_names((2,)), values, strict=True))

    found = gradients(
        lambda: tf.transpose(loaded(clips, training=True), [0, 2, 3, 4, 1]),
        loaded.trainable_variables,
    )
    expected = gradients(
        lambda: native(tf.transpose(clips, [0, 2, 1, 3, 4])), in_order(native)
    )
    bound = BOUNDS.get(policy, 1e-4)
    wrong = {k: v for k, v in errors(found, expected).items() if v > bound}
    assert not wrong
