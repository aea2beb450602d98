"""AdamW against Keras's, PyTorch's, and the official training trajectory."""

import types

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from configs.schema import Optimizer
from model.optimizer import create_optimizer
from model.optimizer.adamw import AdamW
from model.optimizer.groups import Group
from model.video_swin.backbone import VideoSwin
from model.weights.names import from_official, official_names
from tests.replicas import mirrored

SHAPES = ((3, 4), (4,), (5, 2, 2))


def variables():
    generator = np.random.default_rng(0)
    return [
        tf.Variable(generator.normal(size=shape), dtype=tf.float32) for shape in SHAPES
    ]


def gradients(step):
    generator = np.random.default_rng(100 + step)
    return [generator.normal(size=shape).astype(np.float32) for shape in SHAPES]


def one_group(chosen, decay=0.1, multiplier=1.0, name="all"):
    return Group(
        name=name, variables=chosen, lr_multiplier=multiplier, weight_decay=decay
    )


def after_steps(optimizer, chosen, steps=8):
    for step in range(steps):
        optimizer.apply_gradients(zip(gradients(step), chosen, strict=True))
    return [variable.numpy() for variable in chosen]


def assert_close(ours, theirs, tolerance):
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=tolerance)


def test_equals_keras_adamw_where_epsilon_does_not_matter():
    """With an epsilon far below the gradients, where it is added cannot be seen."""
    chosen, theirs = variables(), variables()
    stock = keras.optimizers.AdamW(0.01, weight_decay=0.1, epsilon=1e-12)
    ours = AdamW(0.01, groups=[one_group(chosen)], epsilon=1e-12)
    assert_close(after_steps(ours, chosen), after_steps(stock, theirs), 1e-6)


@pytest.mark.parametrize("epsilon", [1e-8, 1e-2])
def test_equals_pytorch_adamw_whatever_epsilon(epsilon):
    torch = pytest.importorskip("torch", reason="torch comes with the extra convert")
    chosen = variables()
    parameters = [torch.nn.Parameter(torch.tensor(v.numpy())) for v in variables()]
    groups = [
        {"params": parameters[:2], "lr": 0.01, "weight_decay": 0.1},
        {"params": parameters[2:], "lr": 0.001, "weight_decay": 0.0},
    ]
    theirs = torch.optim.AdamW(groups, eps=epsilon)
    for step in range(8):
        for parameter, gradient in zip(parameters, gradients(step), strict=True):
            parameter.grad = torch.tensor(gradient)
        theirs.step()
    ours = AdamW(
        0.01,
        groups=[one_group(chosen[:2]), one_group(chosen[2:], 0.0, 0.1, "rest")],
        epsilon=epsilon,
    )
    expected = [parameter.detach().numpy() for parameter in parameters]
    assert_close(after_steps(ours, chosen), expected, 1e-6)


def test_every_variable_is_in_exactly_one_group():
    first, second, third = variables()
    with pytest.raises(ValueError, match="is in all and again"):
        AdamW(0.1, groups=[one_group([first]), one_group([first], name="again")])
    optimizer = AdamW(0.1, groups=[one_group([first, second])])
    with pytest.raises(ValueError, match=f"in none: .*{third.name}"):
        optimizer.build([first, second, third])


def test_clips_by_the_global_norm():
    chosen, theirs = variables()[:1], variables()[:1]
    gradient = np.full(SHAPES[0], 3.0, np.float32)
    AdamW(0.1, groups=[one_group(chosen)], clip_norm=1e-9, epsilon=1.0).apply_gradients(
        [(gradient, chosen[0])]
    )
    AdamW(0.1, groups=[one_group(theirs)], epsilon=1.0).apply_gradients(
        [(gradient * 0, theirs[0])]
    )
    assert_close([chosen[0].numpy()], [theirs[0].numpy()], 1e-7)


def test_takes_the_sparse_gradient_of_a_gathered_table():
    dense, sparse = (tf.Variable(tf.ones([4, 2])) for _ in range(2))
    for table, gather in ((dense, tf.identity), (sparse, lambda table: table)):
        optimizer = AdamW(0.1, groups=[one_group([table])])
        with tf.GradientTape() as tape:
            rows = tf.gather(gather(table), [1, 1, 3])
            loss = tf.reduce_sum(rows * [[1.0], [2.0], [5.0]])
        optimizer.minimize(loss, [table], tape)
    assert_close([sparse.numpy()], [dense.numpy()], 0)


def created(strategy):
    """Variables and their optimizer on every replica of a strategy."""
    with strategy.scope():
        chosen = variables()
        optimizer = AdamW(0.01, groups=[one_group(chosen)])
        optimizer.build(chosen)
    return chosen, optimizer


def train(strategy, chosen, optimizer, steps):
    """The same updates as `after_steps`, within a function on every replica."""

    @tf.function
    def update(*values):
        optimizer.apply_gradients(zip(values, chosen, strict=True))

    for step in steps:
        strategy.run(update, gradients(step))


def test_same_updates_on_replicas_and_after_restoring(tmp_path):
    """The state is an ordinary checkpoint; the groups hold for mirrored variables."""
    alone = variables()
    after_steps(AdamW(0.01, groups=[one_group(alone)]), alone, steps=6)
    strategy = mirrored(2)
    chosen, optimizer = created(strategy)
    train(strategy, chosen, optimizer, range(3))
    path = tf.train.Checkpoint(v=chosen, optimizer=optimizer).write(str(tmp_path / "c"))
    chosen, optimizer = created(strategy)
    restored = tf.train.Checkpoint(v=chosen, optimizer=optimizer).read(path)
    restored.assert_consumed()
    assert optimizer.iterations.numpy() == 3
    train(strategy, chosen, optimizer, range(3, 6))
    for mine, other in zip(chosen, alone, strict=True):
        first, second = strategy.experimental_local_results(mine)
        np.testing.assert_allclose(first.numpy(), other.numpy(), atol=1e-6)
        np.testing.assert_array_equal(first.numpy(), second.numpy())


class Rates(keras.optimizers.schedules.LearningRateSchedule):
    """A table of learning rates."""

    def __init__(self, rates):
        self.rates = tf.constant(rates, tf.float32)

    def __call__(self, step):
        return tf.gather(self.rates, tf.minimum(step, len(self.rates) - 1))


def test_reproduces_the_official_trajectory(shared):
    """Twelve steps of the official model under PyTorch's AdamW (design: reference)."""
    reference = np.load(shared / "reference" / "official_a.npz")
    backbone = VideoSwin(embed_dim=8, depths=(2, 2, 2, 2), num_heads=(1, 2, 4, 8))
    weights, names = backbone.named_weights(), official_names((2, 2, 2, 2))
    head = keras.layers.Dense(5)
    head.build([None, backbone.num_features])
    weights |= {"head/kernel": head.kernel, "head/bias": head.bias}
    names |= {
        f"head/{k}": f"cls_head.fc_cls.{v}"
        for k, v in (("kernel", "weight"), ("bias", "bias"))
    }
    for path, weight in weights.items():
        value = reference["state/" + names[path]]
        weight.assign(from_official(path, value))
    model = types.SimpleNamespace(
        backbone=backbone, trainable_variables=list(weights.values())
    )
    optimizer = create_optimizer(
        Optimizer(weight_decay=0.05), model, batch_size=2, steps=12, warmup_steps=4
    )
    optimizer = AdamW(Rates(reference["learning_rates"]), groups=optimizer.groups)
    clips = tf.constant(reference["input"].transpose(0, 2, 1, 3, 4))

    @tf.function
    def train():
        with tf.GradientTape() as tape:
            logits = head(tf.reduce_mean(backbone(clips), [1, 2, 3]))
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(
                    reference["labels"], logits
                )
            )
        values = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(values, model.trainable_variables, strict=True))
        return loss, tf.linalg.global_norm(values)

    optimizer.build(model.trainable_variables)
    losses, norms = np.array([train() for _ in range(12)], float).T
    np.testing.assert_allclose(losses, reference["losses"], rtol=2e-6)
    np.testing.assert_allclose(norms, reference["grad_norms"], rtol=2e-6)
    for path, weight in weights.items():
        if "final/" + names[path] in reference:
            value = reference["final/" + names[path]]
            value = from_official(path, value)
            np.testing.assert_allclose(weight.numpy(), value, rtol=0, atol=2e-6)
