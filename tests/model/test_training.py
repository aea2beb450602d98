"""An update: what XLA compiles of it, what it reduces, how often it is traced."""

import collections
import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from configs.command.errors import ConfigError
from configs.schema import Model, Optimizer
from model import create_model, create_optimizer
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
BATCH = 4


def compiled(strategy, config=MODEL, **options):
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = create_model(config, num_classes=3)
        config = Optimizer(learning_rate=0.01, warmup_epochs=0)
        optimizer = create_optimizer(
            config, model, batch_size=BATCH, steps=10, warmup_steps=2
        )
        model.compile(optimizer, **options)
    return model


def batches(strategy, weights=(1, 1, 1, 1)):
    """Endless, always the same batch."""
    numbers = np.arange(BATCH, dtype=np.int32)
    clip = np.random.default_rng(0).integers(0, 256, [BATCH, 4, 3, 32, 32], np.uint8)
    inputs = {"clip": clip, "seed": np.stack([numbers, 7 * numbers], 1)}
    inputs["video"] = 100_000_000 + numbers  # more than float32 can hold
    data = inputs, numbers % 3, np.array(weights, np.float32)
    dataset = tf.data.Dataset.from_tensor_slices(data).repeat()
    size = BATCH // strategy.num_replicas_in_sync
    return strategy.distribute_datasets_from_function(
        lambda _: dataset.batch(size, drop_remainder=True)
    )


def trained(replicas, config=MODEL, steps=3, **options):
    """The results of some updates, and the weights after them."""
    model = compiled(mirrored(replicas), config, **options)
    iterator = iter(batches(model.distribute_strategy))
    update = model.make_train_function()
    return [update(iterator) for _ in range(steps)], model.get_weights()


@pytest.fixture(scope="module")
def plain():
    """What one replica computes without XLA."""
    return trained(1)


@pytest.mark.parametrize(
    ("replicas", "recompute", "accumulation_steps"),
    [(1, "block", 1), (1, "none", 2), (2, "attention", 2)],
)
def test_xla_computes_the_same_update(plain, replicas, recompute, accumulation_steps):
    """With the same masks: others would change the loss in the first digit."""
    found, weights = trained(
        replicas,
        dataclasses.replace(MODEL, recompute=recompute),
        accumulation_steps=accumulation_steps,
        jit_compile=True,
    )
    for mine, expected in zip(found, plain[0], strict=True):
        assert mine["loss"] == pytest.approx(expected["loss"], rel=1e-5)
        assert mine["gradient_norm"] == pytest.approx(
            expected["gradient_norm"], rel=1e-4
        )
        np.testing.assert_array_equal(mine["video"], expected["video"])
    for mine, expected in zip(weights, plain[1], strict=True):
        np.testing.assert_allclose(mine, expected, atol=1e-4)


def test_xla_compiles_the_forward_and_backward_pass_and_no_draw():
    model = compiled(mirrored(2), jit_compile=True, accumulation_steps=2)
    graph = graph_of(model).as_graph_def()
    functions = {
        function.signature.name: function for function in graph.library.function
    }
    marked = [
        function
        for function in functions.values()
        if function.attr["_XlaMustCompile"].b
    ]
    assert len(marked) == 1  # for both replicas
    for function in functions.values():
        operations = {node.op for node in function.node_def}
        if any(op.startswith("StatelessRandom") for op in operations):
            assert function not in marked
    inside = {node.op for function in marked for node in function.node_def}
    assert "BatchMatMulV2" in inside  # of the attention
    assert not any(op.startswith(("Stateless", "Collective")) for op in inside)


def graph_of(model, news=()):
    strategy = model.distribute_strategy
    data = next(iter(batches(strategy)))
    update = tf.function(model._update, autograph=False)
    news = {name: tf.constant(1.0) for name in news}
    return update.get_concrete_function(data, news).graph


@pytest.mark.parametrize("accumulation_steps", [1, 2])
def test_replicas_share_what_is_traced(accumulation_steps):
    """Of sums and of updates one function each, which TensorFlow does not copy."""
    graph = graph_of(compiled(mirrored(2), accumulation_steps=accumulation_steps))
    calls = [o for o in graph.get_operations() if o.type == "StatefulPartitionedCall"]
    names = collections.Counter(call.get_attr("f").name for call in calls)
    assert sorted(names.values()) == [2, 2]
    functions = {f.signature.name: f for f in graph.as_graph_def().library.function}
    for name in names:
        assert functions[name].attr["_noinline"].b
        # Or all replicas would compute on one.
        assert not any(node.device for node in functions[name].node_def)


def test_variables_outside_the_scope_are_refused():
    """Of one copy for both replicas, each would count its own update."""
    strategy = mirrored(2)
    with strategy.scope():
        model = create_model(MODEL, num_classes=3)
    optimizer = create_optimizer(
        Optimizer(), model, batch_size=BATCH, steps=10, warmup_steps=2
    )
    with (
        strategy.scope(),
        pytest.raises(ValueError, match="the variable iteration.* was created outside"),
    ):
        model.compile(optimizer)


@pytest.mark.parametrize("options", [{}, {"jit_compile": True}])
def test_an_update_reduces_once(options):
    """Gradients, loss, accuracy, weight, videos, news: in one collective operation."""
    # Its default operations, which pack as those of several workers do. They are traced
    # here, not run: their groups are fixed for the whole process.
    model = compiled(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), **options)
    operations = graph_of(model, news=["lost", "stop"]).get_operations()
    [first, second] = [o for o in operations if o.type.startswith("Collective")]
    assert {first.type, second.type} == {"CollectiveReduceV2"}
    assert first.device != second.device  # one for each replica
    numbers = sum(v.shape.num_elements() for v in model.trainable_variables)
    assert first.inputs[0].shape == numbers + 3 + 2 + 2 * BATCH


def test_news_of_replicas_of_one_worker_count_once():
    model = compiled(mirrored(2))
    model.tell_workers(lambda: {"lost": 3, "stop": True})
    results = model.make_train_function()(iter(batches(model.distribute_strategy)))
    assert (results["lost"], results["stop"]) == (3, 1)
    assert results["video"].tolist() == [100_000_000 + n for n in range(BATCH)]
    assert not any(map(tf.is_tensor, results.values()))  # copied from devices already


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_few_examples_that_count_change_no_digit(policy):
    """What they are divided by is a power of 2 here, so nothing is rounded."""
    keras.mixed_precision.set_global_policy(policy)
    model = compiled(mirrored(1))
    data = next(iter(batches(model.distribute_strategy)))
    inputs, labels, _ = data
    masks = model.draw_masks(inputs["seed"])
    alone = {"clip": inputs["clip"], "masks": masks}
    weights = tf.constant([1.0, 0, 0, 0])
    expected, _ = model.sums_and_gradients(alone, labels, weights, weights)
    results = model.make_train_function()(
        iter(batches(model.distribute_strategy, weights=(1, 0, 0, 0)))
    )
    assert results["loss"] == pytest.approx(float(expected["loss"]), rel=1e-6)
    assert results["weight"] == 1


def test_what_xla_cannot_compile_is_said_with_the_option():
    model = compiled(mirrored(1), jit_compile=True)
    model.losses_per_example = lambda labels, logits: tf.strings.to_number(
        tf.strings.as_string(labels)
    )
    with pytest.raises(ConfigError, match="runtime.jit_compile must be false.* XLA"):
        model.make_train_function()(iter(batches(model.distribute_strategy)))


def first(present, replicas=1, **options):
    """The results of the first update where examples are there (1) or lost (0)."""
    model = compiled(mirrored(replicas), **options)
    return model.make_train_function()(
        iter(batches(model.distribute_strategy, present))
    )


@pytest.fixture(scope="module")
def unweighted():
    """The losses of three examples, each alone, and what they give together."""
    alone = [first(np.eye(BATCH)[i])["loss"] for i in (0, 1, 2)]
    return alone, first([1, 1, 1, 0])


@pytest.mark.parametrize(
    ("replicas", "options"),
    [
        (1, {}),
        (2, {}),
        (1, {"accumulation_steps": 2}),
        (1, {"jit_compile": True}),
    ],
    ids=["1 replica", "2 replicas", "2 parts", "XLA"],
)
def test_the_loss_is_weighted_by_class_and_divided_by_the_number_of_examples(
    unweighted, replicas, options
):
    """Not by the sum of the factors; the accuracy has none. One example is lost."""
    weights = np.array([0.5, 2.0, 4.0], np.float32)
    alone, plain = unweighted
    found = first([1, 1, 1, 0], replicas, class_weights=weights, **options)
    assert found["loss"] == pytest.approx(np.dot(weights, alone) / 3, rel=1e-5)
    assert found["accuracy"] == plain["accuracy"]
    assert found["weight"] == plain["weight"] == 3


def test_class_weights_of_one_change_no_bit(plain):
    found, variables = trained(1, class_weights=np.ones(3, np.float32))
    assert [row["loss"] for row in found] == [row["loss"] for row in plain[0]]
    for mine, expected in zip(variables, plain[1], strict=True):
        np.testing.assert_array_equal(mine, expected)
