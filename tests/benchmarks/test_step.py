import dataclasses
import json
import math
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.step import measure as measure_module
from benchmarks.step import report as report_module
from benchmarks.step.floor import MOST, Stopwatch
from benchmarks.step.measure import Measured, Times, measure, variants, with_options
from benchmarks.step.peer import PEERS, SOURCE
from benchmarks.step.processes import in_process, peer_in_process
from benchmarks.step.products import (
    Product,
    flop_of,
    products_between_blocks,
    products_of_blocks,
)
from benchmarks.step.report import report
from benchmarks.step.task import Loop, Memory, Replicas
from benchmarks.step.updates import Update
from benchmarks.what_fits import table
from configs.command.errors import RunError
from configs.schema import Data, Experiment, Model, Runtime, video_swin
from configs.schema.serialization import from_json
from model import create_model

MODEL = Model(
    embed_dim=8,
    depths=(2,),
    num_heads=(2,),
    window_size=(2, 2, 2),
    patch_size=(2, 4, 4),
)
EXPERIMENT = Experiment(
    model=MODEL,
    data=Data(frames=4, size=16, batch_size=1),
    runtime=Runtime(replicas=1),
)
KEYS = [
    *("step_over_floor", "forward_over_floor", "utilisation", "bfloat16_speedup"),
    *("activation_gb", "recompute_attention_gb", "recompute_attention_time"),
    *("recompute_block_gb", "recompute_block_time", "jit_speedup", "startup_seconds"),
    *("graph_mb", "replicas_overhead", "loop_overhead", "saving"),
]


def test_products_of_swin_tiny_add_up_to_what_was_worked_out_by_hand():
    """32 x 224 x 224 makes 16 x 56 x 56 patches, which windows of 392 tokens divide."""
    tokens = [16 * 56 * 56 >> 2 * stage for stage in range(4)]
    dims, depths = [96, 192, 384, 768], [2, 2, 6, 2]
    forward = 0
    for count, dim, depth in zip(tokens, dims, depths, strict=True):
        # 3 + 1 + 4 + 4 square kernels; Q K^T and P V with 392 tokens for each token.
        forward += depth * (2 * 12 * count * dim**2 + 2 * 2 * count * 392 * dim)
    merging = sum(
        2 * count * 4 * dim * 2 * dim
        for count, dim in zip(tokens[1:], dims, strict=False)
    )
    embedding, head = 2 * tokens[0] * 96 * 96, 2 * 768 * 101

    model = video_swin("tiny")
    blocks = products_of_blocks(model, clips=1, frames=32, size=224)
    others = products_between_blocks(model, clips=1, frames=32, size=224, classes=101)

    assert flop_of(blocks.forward) == forward
    assert flop_of(blocks.step) == 3 * forward == 507_161_346_048
    assert flop_of(others.forward) == merging + embedding + head
    # Nobody wants the gradient of the clip.
    assert flop_of(others.step) == 3 * merging + 2 * embedding + 3 * head
    assert sum(blocks.step.values()) == 12 * (4 * 3 + 6)


@pytest.mark.parametrize(("frames", "size"), [(5, 36), (4, 32), (1, 8)])
def test_products_are_those_of_the_graph(frames, size):
    """Where maps are padded to windows, where windows shrink, where a row is odd."""
    model = dataclasses.replace(
        MODEL, depths=(1, 1), num_heads=(2, 4), window_size=(2, 3, 3)
    )
    built = create_model(model, num_classes=7)
    clip = tf.TensorSpec([2, frames, 3, size, size], tf.uint8)
    graph = tf.function(built).get_concrete_function(clip, training=False).graph

    def flop(operation):
        left = operation.inputs[0].shape
        inner = left[
            -2 if operation.node_def.attr[TRANSPOSED[operation.type]].b else -1
        ]
        return 2 * inner * math.prod(operation.outputs[0].shape)

    clips = {"clips": 2, "frames": frames, "size": size}
    counted = flop_of(products_of_blocks(model, **clips).forward) + flop_of(
        products_between_blocks(model, **clips, classes=7).forward
    )
    found = [o for o in graph.get_operations() if o.type in TRANSPOSED]
    assert counted == sum(map(flop, found))


TRANSPOSED = {"MatMul": "transpose_a", "BatchMatMulV2": "adj_x"}


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("right", [False, True])
def test_a_product_knows_its_arithmetic(left, right):
    shapes = [(2, 5, 3) if left else (2, 3, 5), (2, 7, 5) if right else (2, 5, 7)]
    assert Product(*shapes, left, right).flop == 2 * (2 * 3 * 7) * 5


def test_every_product_of_a_step_is_timed():
    products = products_of_blocks(MODEL, clips=1, frames=4, size=16).step
    stopwatch = Stopwatch(products, tf.bfloat16)
    assert stopwatch.turn().keys() == products.keys()
    assert min(stopwatch.turn().values()) > 0
    assert {x.dtype for x in stopwatch.operands.values()} == {tf.bfloat16}
    assert all(1 <= times <= MOST for times in stopwatch.repeats.values())


def test_each_variant_is_compared_once():
    found = variants(EXPERIMENT)
    assert found[0] == EXPERIMENT and len(found) == len(set(found)) == 5
    other = with_options(
        EXPERIMENT, precision="mixed_bfloat16", recompute="block", jit_compile=True
    )
    assert EXPERIMENT not in variants(other) and len(variants(other)) == 5


@pytest.fixture
def measured():
    """Round numbers: the floor takes a second, the step of variant n takes 2 + n."""
    blocks = products_of_blocks(MODEL, clips=1, frames=4, size=16)
    others = products_between_blocks(MODEL, clips=1, frames=4, size=16, classes=101)
    square = Product((64, 64), (64, 64))
    seconds = 1 / sum(blocks.step.values())
    products = dict.fromkeys([*blocks.step, *others.step, square], seconds)
    updates = {v: 2.0 + n for n, v in enumerate(variants(EXPERIMENT))}
    memory = {
        v: Memory(built=10**9, step=(4 - n) * 10**9, first=9.0, steady=2.0, graph=10**6)
        for n, v in enumerate(variants(EXPERIMENT)[:4])
    }
    return Measured(
        experiment=EXPERIMENT,
        times=Times(updates, forward=1.0, peers={}, products=products),
        blocks=blocks,
        others=others,
        square=square,
        memory=memory,
        replicas=Replicas(one=10.0, several=11.0, first=30.0),
        count=4,
        loop=Loop(bare=2.0, fit=2.02, save=1.0),
    )


def test_last_line_holds_the_ratios(measured):
    *table, last = report(measured)
    found = json.loads(last)
    assert list(found) == KEYS
    flop = flop_of(measured.blocks.step) / (64**3 * 2)
    share = 1 / 500 + 1 / 150  # Saves a step: 9537 clips make 150 batches of 64.
    assert found == {
        "step_over_floor": 2.0,
        "forward_over_floor": 3.0,  # A third of the products.
        "utilisation": pytest.approx(
            flop / 2 / sum(measured.blocks.step.values()), rel=1e-3
        ),
        "bfloat16_speedup": round(2 / 3, 4),
        "activation_gb": 4.0,
        "recompute_attention_gb": 2.0,
        "recompute_attention_time": 2.0,
        "recompute_block_gb": 1.0,
        "recompute_block_time": 2.5,
        "jit_speedup": round(2 / 6, 4),
        "startup_seconds": 7.0,
        "graph_mb": 1.0,
        "replicas_overhead": 1.1,
        "loop_overhead": 1.01,
        "saving": pytest.approx(share / (share + 2), rel=1e-3),
    }
    text = "\n".join(table)
    assert "recompute=block" in text and "jit_compile=true" in text
    assert "batch on 4 replicas, s" in text and "official" not in text


def test_other_implementations_have_a_row_and_a_ratio(measured):
    times = dataclasses.replace(measured.times, peers={"peer": 6.0, "keras_peer": 3.0})
    *table, last = report(dataclasses.replace(measured, times=times))
    ratios = json.loads(last)
    assert (ratios["peer_time"], ratios["keras_peer_time"]) == (3.0, 1.5)
    assert any(line.startswith("official") for line in table)
    assert any(line.startswith("Keras port") for line in table)


def test_on_gpus_replicas_are_left_out(measured):
    *table, last = report(dataclasses.replace(measured, replicas=None))
    assert json.loads(last)["replicas_overhead"] is None
    assert "replicas" not in "\n".join(table)


def test_every_ratio_is_explained(measured):
    explained = report_module.__doc__
    assert all(key in explained for key in [*KEYS, "peer_time", "keras_peer_time"])


def test_a_step_is_that_of_its_precision():
    low = with_options(EXPERIMENT, precision="mixed_bfloat16")
    update = Update(tf.distribute.get_strategy(), low)
    assert update.first() > update.seconds() > 0
    graph = update.update.get_concrete_function(update.batch).graph
    kinds = {o.inputs[0].dtype for o in graph.get_operations() if o.type == "MatMul"}
    assert tf.bfloat16 in kinds
    assert update.graph_bytes == graph.as_graph_def().ByteSize()
    assert tf.keras.mixed_precision.global_policy().name == "float32"
    assert update.forward()() > 0


def test_all_of_it_is_measured(monkeypatch):
    """In fresh processes one of each kind, whatever the variant: each takes seconds."""
    found = {}

    def once(kind, experiment, **options):
        if kind not in found:
            found[kind] = in_process(kind, experiment, **options)
        return found[kind]

    monkeypatch.setattr(measure_module, "in_process", once)
    *table, last = report(measure(EXPERIMENT, steps=1, replicas=2, peers={}, square=64))
    ratios = json.loads(last)
    assert list(ratios) == KEYS
    assert all(np.isfinite(value) and value > 0 for value in ratios.values())
    assert any(line.startswith("batch on 2 replicas") for line in table)


def test_a_process_that_fails_is_told_of():
    wrong = dataclasses.replace(
        EXPERIMENT, model=dataclasses.replace(MODEL, handle="absent")
    )
    with pytest.raises(RunError, match="worker ended with code 1: .*absent"):
        in_process("memory", wrong, steps=1)


# Of the interface of the official file, and with its imports.
STAND_IN = """
import torch
from timm.models.layers import DropPath, trunc_normal_
from mmcv.runner import load_checkpoint
from mmaction.utils import get_root_logger
from ..builder import BACKBONES
from einops import rearrange


@BACKBONES.register_module()
class SwinTransformer3D(torch.nn.Module):
    def __init__(self, patch_size, embed_dim, depths, num_heads, window_size,
                 drop_path_rate, patch_norm, use_checkpoint):
        super().__init__()
        self.num_features = embed_dim
        self.proj = torch.nn.Linear(3, embed_dim)
        trunc_normal_(self.proj.weight, std=0.02)
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x):
        x = rearrange(x, "n c d h w -> n d h w c")
        assert x.shape == (1, 4, 16, 16, 3)
        x = rearrange(self.drop_path(self.proj(x)), "n d h w c -> n c d h w")
        return x
"""


@pytest.fixture
def checkout(tmp_path):
    """What stands in for a checkout of the official repository."""
    pytest.importorskip("torch", reason="torch comes with the extra convert")
    path = tmp_path / SOURCE
    path.parent.mkdir(parents=True)
    path.write_text(STAND_IN)
    return path


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_the_official_implementation_takes_its_turn(checkout, tmp_path, precision):
    experiment = with_options(EXPERIMENT, precision=precision)
    with peer_in_process("peer", tmp_path, experiment) as peer:
        assert peer() > 0 and peer() > 0


def test_an_official_implementation_that_fails_is_told_of(checkout, tmp_path):
    checkout.write_text("raise ValueError('another version')")
    with peer_in_process("peer", tmp_path, EXPERIMENT) as peer:
        with pytest.raises(RunError, match="ValueError: another version"):
            peer()


# Of the interface of the port's file.
KERAS_STAND_IN = """
import keras


class VideoSwinBackbone(keras.Sequential):
    def __init__(self, input_shape, patch_size, embed_dim, depths, num_heads,
                 window_size, drop_path_rate):
        assert input_shape == (4, 16, 16, 3)
        super().__init__([keras.layers.Conv3D(embed_dim, patch_size, patch_size)])
"""


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_the_keras_port_takes_its_turn(tmp_path, precision):
    path = tmp_path / PEERS["keras_peer"].source
    path.parent.mkdir(parents=True)
    path.write_text(KERAS_STAND_IN)
    experiment = with_options(EXPERIMENT, precision=precision)
    with peer_in_process("keras_peer", tmp_path, experiment) as peer:
        assert peer() > 0 and peer() > 0


PLAN = """
import sys
from absl import flags
from benchmarks.step import __main__ as program
from configs.schema.serialization import to_json
program.define_flags()
flags.FLAGS(sys.argv)
print(to_json(program.plan([])))
"""


def test_flags_say_what_is_measured(repository):
    arguments = [
        *("--variant=small", "--clip=16x112", "--batch_size=2"),
        *("--precision=mixed_bfloat16", "--recompute=attention", "--jit_compile"),
    ]
    result = subprocess.run(
        [sys.executable, "-c", PLAN, *arguments],
        cwd=repository,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = from_json(result.stdout)
    assert found.model == video_swin("small", recompute="attention")
    assert found.data == Data(frames=16, size=112, batch_size=2)
    assert found.runtime == Runtime(
        precision="mixed_bfloat16", jit_compile=True, replicas=1
    )


def test_what_fits_is_printed_without_measuring(repository):
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.step", "--what_fits"],
        cwd=repository,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert result.stdout.splitlines() == table()
