"""Everything that is measured: fresh processes first, while this one is small.

TensorFlow keeps the memory that it once took, and what takes turns here takes much.
"""

import collections
import contextlib
import dataclasses
import statistics

import tensorflow as tf
import tf_keras as keras

from benchmarks.step.floor import Stopwatch
from benchmarks.step.peer import CLASSES
from benchmarks.step.processes import in_process, peer_in_process
from benchmarks.step.products import (
    Product,
    Products,
    products_between_blocks,
    products_of_blocks,
)
from benchmarks.step.task import Loop, Memory, Replicas
from benchmarks.step.updates import Update, precision
from configs.schema import Experiment, Runtime
from strategy import create_strategy

SQUARE = 4096  # side of a large product


@dataclasses.dataclass(frozen=True)
class Times:
    """What took turns in one process; medians, in seconds.

    Attributes:
        updates: `Experiment` -> of a step.
        forward: of the logits without gradients.
        peers: name of `benchmarks.step.peer.PEERS` -> of a step of it.
        products: `Product` -> of one.
    """

    updates: dict[Experiment, float]
    forward: float
    peers: dict[str, float]
    products: dict[Product, float]

    def of(self, counter):
        """Seconds of all products of a Counter, one after the other."""
        return sum(count * self.products[p] for p, count in counter.items())


@dataclasses.dataclass(frozen=True)
class Measured:
    """All that is measured.

    Attributes:
        experiment: whose step is measured.
        times: what took turns.
        blocks: `Products` of the blocks.
        others: `Products` of patch embedding, mergings and head.
        square: the large `Product`, whose rate is taken for the device's.
        memory: `Experiment` -> `Memory`.
        replicas: None where replicas are GPUs.
        count: of replicas.
        loop: `fit`, and a checkpoint.
    """

    experiment: Experiment
    times: Times
    blocks: Products
    others: Products
    square: Product
    memory: dict[Experiment, Memory]
    replicas: Replicas | None
    count: int
    loop: Loop


def measure(experiment, *, steps, replicas, peers, square=SQUARE):
    """Measures a step of an experiment, and of what its options change.

    Args:
        experiment: an `Experiment` whose architecture is set.
        steps: rounds.
        replicas: that are compared with one.
        peers: see `take_turns`.
        square: side of the large product.

    Returns:
        `Measured`.
    """
    memory = {
        variant: in_process("memory", variant, steps=steps)
        for variant in dict.fromkeys(
            [
                experiment,
                *(
                    with_options(experiment, recompute=r)
                    for r in ("attention", "block")
                ),
                with_options(experiment, precision="mixed_bfloat16"),
            ]
        )
    }
    several = None
    if not tf.config.list_physical_devices("GPU"):
        several = in_process("replicas", experiment, steps=steps, replicas=replicas)
    loop = in_process("loop", experiment, steps=steps)
    model, data = experiment.model, experiment.data
    clips = {"clips": data.batch_size, "frames": data.frames, "size": data.size}
    blocks = products_of_blocks(model, **clips)
    others = products_between_blocks(model, **clips, classes=CLASSES)
    square = Product((square, square), (square, square))
    products = [*blocks.step, *others.step, square]
    times = take_turns(experiment, products, steps=steps, peers=peers)
    return Measured(
        experiment, times, blocks, others, square, memory, several, replicas, loop
    )


def with_options(experiment, *, recompute=None, **runtime):
    """An experiment with another `model.recompute`, or other options of `runtime`."""
    model = experiment.model
    if recompute is not None:
        model = dataclasses.replace(model, recompute=recompute)
    runtime = dataclasses.replace(experiment.runtime, **runtime)
    return dataclasses.replace(experiment, model=model, runtime=runtime)


def variants(experiment):
    """The experiments whose steps are compared, each once, the given one first."""
    changes = [
        {},
        *({"precision": name} for name in ("float32", "mixed_bfloat16")),
        *({"recompute": name} for name in ("none", "attention", "block")),
        *({"jit_compile": value} for value in (False, True)),
    ]
    return list(dict.fromkeys(with_options(experiment, **c) for c in changes))


def take_turns(experiment, products, *, steps, peers):
    """Computes a step of each variant and each product in every round.

    Args:
        experiment: the first variant, the one whose forward pass is timed too.
        products: of `Product`, computed in the experiment's precision.
        steps: rounds.
        peers: name of `benchmarks.step.peer.PEERS` -> path of a checkout.

    Returns:
        `Times`.
    """
    strategy = create_strategy(Runtime(replicas=1))
    contenders = {v: Update(strategy, v) for v in variants(experiment)}
    for update in contenders.values():
        update.first()
    forward = contenders[experiment].forward()
    with precision(experiment.runtime.precision):
        dtype = keras.mixed_precision.global_policy().compute_dtype
    stopwatch = Stopwatch(products, dtype)
    seconds = collections.defaultdict(list)
    with contextlib.ExitStack() as stack:
        calls = {v: update.seconds for v, update in contenders.items()}
        calls["forward"] = forward
        for name, path in peers.items():
            calls[name] = stack.enter_context(peer_in_process(name, path, experiment))
        for _ in range(1 + steps):
            for name, call in calls.items():
                seconds[name].append(call())
            for product, duration in stopwatch.turn().items():
                seconds[product].append(duration)
    # The first round does not count.
    found = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    return Times(
        updates={variant: found[variant] for variant in contenders},
        forward=found["forward"],
        peers={name: found[name] for name in peers},
        products={product: found[product] for product in products},
    )
