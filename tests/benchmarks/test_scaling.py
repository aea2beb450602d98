import dataclasses
import json
import math
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.scaling import check, workers
from benchmarks.scaling.prediction import (
    WORTH,
    Cluster,
    Link,
    Measured,
    all_reduce,
    enough_clips,
    fixed_part,
    ring,
    strong,
    weak,
)
from benchmarks.scaling.report import report
from benchmarks.scaling.task import Task, Timing
from benchmarks.scaling.units import (
    bandwidth,
    counts,
    duration,
    show_bytes,
    show_seconds,
)
from configs.command.errors import ConfigError, RunError
from configs.schema import video_swin
from configs.schema.serialization import to_json
from model import create_model
from model.video_swin.parameters import count_parameters
from model.weights.architecture import official_shapes
from tests.docs.pages import blocks

LINK = Link(bandwidth=1e9, latency=1e-5)
FAST = Link(bandwidth=1e18, latency=1e-15)
CLUSTER = Cluster(gpus=4, inside=Link(1e10, 1e-6), between=LINK)
MEASURED = Measured(seconds=1.0, clips=8, fixed=0.0, gradients=10**8)


@pytest.mark.parametrize(
    ("text", "bytes_per_second"),
    [
        ("100Gb/s", 12.5e9),
        ("100 Gbit/s", 12.5e9),
        ("100Gbps", 12.5e9),
        ("100GB/s", 100e9),
        ("1.5e3MB/s", 1.5e9),
        ("8kb/s", 1000),
        ("1GiB/s", 2**30),
        ("8Mib/s", 2**20),
        ("7B/s", 7),
    ],
)
def test_bits_and_bytes_are_told_apart(text, bytes_per_second):
    assert bandwidth("link", text) == bytes_per_second


@pytest.mark.parametrize(
    "text",
    # The case decides between bits and bytes, so none is guessed; m is a thousandth.
    [
        *("100", "100G", "100Gb", "100gb/s", "100GBps", "100Gb/S", "1mb/s", "Gb/s"),
        *("0Gb/s", "-1Gb/s", "nanGb/s", "infGb/s", "1e999Gb/s", "", "1Gb/s2"),
    ],
)
def test_a_bandwidth_without_a_clear_unit_is_refused(text):
    with pytest.raises(ConfigError, match="--link must be .* received") as caught:
        bandwidth("link", text)
    assert "\n" not in str(caught.value)


def test_durations_and_counts():
    texts = ("2s", "3ms", "10us", "10µs", "10μs", "5ns", "1e-3 s")
    seconds = [duration("link_latency", text) for text in texts]
    assert seconds == pytest.approx([2, 3e-3, 1e-5, 1e-5, 1e-5, 5e-9, 1e-3])
    for text in ("10", "10m", "0us", "-1us", "us", "10US"):
        with pytest.raises(ConfigError, match="--link_latency must be"):
            duration("link_latency", text)
    assert counts("nodes", ["4", "1", "2", "2"]) == [1, 2, 4]
    for texts in ([], [""], ["0"], ["1", "x"], ["1.5"], ["-2"], ["9999999"]):
        with pytest.raises(ConfigError, match="--nodes must be"):
            counts("nodes", texts)


def test_numbers_are_shown_with_their_prefix():
    assert [show_bytes(n) for n in (0.5, 12, 1500, 111_712_556, 12.5e9)] == [
        *("0.5 B", "12 B", "1.5 kB", "111.7 MB", "12.5 GB")
    ]
    assert [show_seconds(n) for n in (2, 0.0125, 9.6e-6)] == [
        "2 s",
        "12.5 ms",
        "9.6 us",
    ]


@pytest.mark.parametrize("size", ["tiny", "small", "base"])
def test_weights_are_counted_as_the_built_backbone_has_them(size):
    """And as the paper's table 1 says: 28.2, 49.8 and 88.1 million with 400 classes."""
    model = video_swin(size)
    shapes = official_shapes(model.architecture, 400)
    assert count_parameters(model, 400) == sum(map(math.prod, shapes.values()))
    published = {"tiny": 28.2, "small": 49.8, "base": 88.1}[size]
    assert count_parameters(model, 400) / 1e6 == pytest.approx(published, abs=0.06)


def test_weights_are_counted_as_the_trained_model_has_them(tiny):
    model = dataclasses.replace(
        tiny.model,
        embed_dim=12,
        depths=(1, 3, 2),
        num_heads=(1, 2, 4),
        window_size=(2, 3, 5),
        patch_size=(4, 2, 3),
    )
    built = create_model(model, num_classes=7)
    sizes = [math.prod(v.shape) for v in built.trainable_variables]
    assert count_parameters(model, 7) == sum(sizes)
    assert {v.dtype.size for v in built.trainable_variables} == {4}


def run_ring(values):
    """An all-reduce as the paper describes it, one hop at a time.

    Args:
        values: float [ranks, elements].

    Returns:
        (what each rank holds in the end, hops, elements that each rank has sent).
    """
    ranks = len(values)
    held = [np.array_split(row.copy(), ranks) for row in values]
    sent, hops = [0] * ranks, 0
    for add in (True, False):
        for hop in range(ranks - 1):
            begin = 0 if add else 1
            chunks = [(rank - hop + begin) % ranks for rank in range(ranks)]
            moving = [held[r][c].copy() for r, c in enumerate(chunks)]
            for rank, (chunk, data) in enumerate(zip(chunks, moving, strict=True)):
                target = held[(rank + 1) % ranks]
                target[chunk] = target[chunk] + data if add else data
                sent[rank] += len(data)
            hops += 1
    return np.stack([np.concatenate(row) for row in held]), hops, sent


@pytest.mark.parametrize("ranks", [1, 2, 3, 8])
def test_a_ring_sends_what_the_formula_says(ranks):
    values = np.random.default_rng(0).integers(0, 9, [ranks, 24 * ranks])
    result, hops, sent = run_ring(values)
    np.testing.assert_array_equal(result, np.tile(values.sum(axis=0), [ranks, 1]))
    assert set(sent) == {sent[0]}
    expected = sent[0] * 4 / LINK.bandwidth + hops * LINK.latency
    assert ring(24 * ranks * 4, ranks, LINK) == pytest.approx(expected, abs=1e-15)


def test_bus_bandwidth_as_nccl_tests_computes_it_is_the_link():
    size, ranks = 10**9, 16
    seconds = ring(size, ranks, Link(25e9, 0))
    assert size / seconds * (2 * (ranks - 1) / ranks) == pytest.approx(25e9)


def test_a_worked_example_by_hand():
    """100 MB over 2 nodes of 4 GPUs; 1 GB/s and 10 us, inside 10 GB/s and 1 us.

    Inside: 6 hops of a quarter, 150 MB at 10 GB/s. Between: 2 hops of a half, 100 MB at
    1 GB/s. Flat: 14 hops of an eighth, 175 MB at 1 GB/s, 2 of the hops between nodes.
    """
    size = 10**8
    hierarchical = 0.015 + 6e-6 + 0.1 + 2e-5
    assert all_reduce(size, 2, CLUSTER) == pytest.approx(hierarchical, rel=1e-12)
    flat = dataclasses.replace(CLUSTER, rings="flat")
    expected = 0.175 + 12 * 1e-6 + 2 * 1e-5
    assert all_reduce(size, 2, flat) == pytest.approx(expected, rel=1e-12)
    assert all_reduce(size, 1, flat) == all_reduce(size, 1, CLUSTER)
    single = dataclasses.replace(flat, gpus=1)
    assert all_reduce(size, 3, single) == ring(size, 3, LINK)


def test_one_node_is_as_it_was_measured():
    for kind in (strong, weak):
        row = kind(MEASURED, CLUSTER, 1)
        assert row.seconds == pytest.approx(1)
        assert (row.efficiency, row.limit) == (pytest.approx(1), "step")
        assert row.rate == pytest.approx(32)


def test_without_losses_nodes_add_up():
    cluster = dataclasses.replace(CLUSTER, inside=FAST, between=FAST)
    for nodes in (2, 4, 8):
        assert strong(MEASURED, cluster, nodes).seconds == pytest.approx(1 / nodes)
        assert weak(MEASURED, cluster, nodes).rate == pytest.approx(32 * nodes)


def test_the_step_and_its_all_reduces_take_turns():
    row = weak(MEASURED, CLUSTER, 2)
    added = all_reduce(10**8, 2, CLUSTER) - all_reduce(10**8, 1, CLUSTER)
    assert row.seconds == pytest.approx(1 + added)
    assert (row.batch, row.replicas, row.clips) == (64, 8, 8)


def test_a_fixed_part_does_not_shrink():
    """Steps of 0.3 s and 0.1 s a clip, beside 0.05 s of all-reduces."""
    assert fixed_part(0.05 + 0.3 + 0.8, 0.05 + 0.3 + 0.4, 0.05) == pytest.approx(0.3)
    cluster = dataclasses.replace(CLUSTER, inside=FAST, between=FAST)
    measured = dataclasses.replace(MEASURED, seconds=1.1, fixed=0.3)
    row = strong(measured, cluster, 4)
    assert row.seconds == pytest.approx(0.3 + 0.8 / 4)
    assert row.limit == "batch"


@pytest.mark.parametrize(
    ("measured", "cluster", "nodes", "limit"),
    [
        ({}, {}, 2, "link"),
        ({"seconds": 10.0}, {}, 2, "step"),
        ({}, {"clips_per_second": 8}, 2, "input"),
        ({}, {"clips_per_second": 1000}, 2, "link"),
        ({"fixed": 0.9}, {}, 8, "batch"),
        ({}, {}, 3, "batch"),  # 32 clips are not divisible by 12
        ({}, {}, 16, "batch"),  # nor by 64
        ({"parts": 8}, {}, 2, "batch"),  # nor by 8 x 8
    ],
)
def test_the_largest_loss_is_the_limit(measured, cluster, nodes, limit):
    measured = dataclasses.replace(MEASURED, **measured)
    row = strong(measured, dataclasses.replace(CLUSTER, **cluster), nodes)
    assert row.limit == limit
    assert (
        (row.seconds is None)
        == (row.clips is None)
        == (32 % (nodes * 4 * measured.parts) > 0)
    )


def test_decoding_works_ahead():
    enough = dataclasses.replace(CLUSTER, clips_per_second=1e6)
    assert weak(MEASURED, enough, 2) == weak(MEASURED, CLUSTER, 2)
    slow = weak(MEASURED, dataclasses.replace(CLUSTER, clips_per_second=8), 2)
    assert slow.seconds == pytest.approx(32 / 8)
    assert slow.decoded == pytest.approx(32 / weak(MEASURED, CLUSTER, 2).seconds)


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("fixed", [0.0, 0.1])
def test_the_advised_batch_is_the_smallest_that_is_enough(parts, fixed):
    measured = dataclasses.replace(MEASURED, parts=parts, fixed=fixed)

    def efficiency(clips):
        larger = clips / measured.clips
        cluster = all_reduce(measured.gradients, 8, CLUSTER)
        inside = all_reduce(measured.gradients, 1, CLUSTER)
        seconds = fixed + (1 - fixed - inside) * larger + cluster
        return larger / seconds

    clips = enough_clips(measured, CLUSTER, 8)
    assert clips % parts == 0
    assert efficiency(clips) >= WORTH > efficiency(clips - parts)


def lines_of(measured=MEASURED, cluster=CLUSTER, nodes=(1, 2, 3)):
    other = dataclasses.replace(cluster, rings="flat")
    return list(report("an_experiment", measured, cluster, nodes, other))


def test_each_limit_comes_with_what_helps():
    text = "\n".join(lines_of())
    assert "link: the all-reduce takes" in text and "accumulation_steps" in text
    assert "node counts that divide it: 1, 2, 4, 8" in text
    assert "--half_step_seconds" in text and "--clips_per_core" in text
    slow = "\n".join(lines_of(cluster=dataclasses.replace(CLUSTER, clips_per_second=8)))
    assert "input: each node decodes 8 of" in slow and "ArrayRecord" in slow
    fixed = "\n".join(lines_of(dataclasses.replace(MEASURED, fixed=0.9), nodes=(1, 8)))
    assert "batch: 1 clip a replica leave too much" in fixed
    paying = "\n".join(lines_of(dataclasses.replace(MEASURED, seconds=100.0)))
    assert "step: more nodes pay" in paying


def test_last_line_holds_the_rows():
    result = json.loads(lines_of()[-1])
    assert result["gradient_bytes"] == 10**8
    assert result["strong"][2] == {"nodes": 3, "limit": "batch"}
    assert result["weak"][1]["step_seconds"] == pytest.approx(1.1, rel=0.01)
    assert [row["nodes"] for row in result["weak"]] == [1, 2, 3]


def run_program(repository, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.scaling", *arguments],
        cwd=repository,
        capture_output=True,
        text=True,
    )


def test_the_page_shows_what_is_printed(repository):
    command, output, *_ = blocks(repository / "docs" / "scaling.md")
    _, _, _, *arguments = shlex.split(command.commands[0])
    result = run_program(repository, *arguments)
    assert (result.returncode, result.stdout) == (0, output.text)


def shape_of(line):
    """A line of output without its numbers and units."""
    return re.sub(r"[\d.,]+(?: (?:[kMG]?B|s|ms|us)\b)?", "#", line).split()


def test_the_page_shows_what_a_check_prints(repository):
    shown = blocks(repository / "docs" / "scaling.md")[-1].text.splitlines()
    timings = {ranks: timing_of(ranks, LINK) for ranks in (1, 2, 4)}
    printed = ["Measuring 1 of 4 workers …", *check.report(TASK, timings, cores=2)]
    shapes = [shape_of(line) for line in printed]
    for line in shown:
        assert shape_of(line) in shapes, line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--step_seconds=1", "--link must be given"),
        ("--step_seconds=1 --link=10gb/s", "for bits or GB/s for bytes"),
        ("--link=10Gb/s --step_seconds=nan", "--step_seconds must be above 0"),
        ("--link=10Gb/s --step_seconds=0.001", "must be more than the 0.00103 s"),
        (
            "--link=10Gb/s --step_seconds=1 --half_step_seconds=0.4",
            "must be at least half of --step_seconds",
        ),
        ("--link=10Gb/s --step_seconds=1 --cores=8", "must be given together"),
        ("--link=10Gb/s --step_seconds=1 --gpus=3", "= 3 x 1, as the measured step"),
        ("--link=10Gb/s --step_seconds=1 --nodes=1,x", "--nodes must be whole"),
        ("--link=10Gb/s --step_seconds=1 --config=ucf101_hub", "--parameters must"),
        ("--check --workers=2", "--workers must name 1 and a larger number"),
    ],
)
def test_a_mistake_is_one_line(repository, arguments, message):
    words = ["--config=ucf101_swin_tiny", *arguments.split()]
    result = run_program(repository, *words)
    assert result.returncode == 2
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert "ConfigError: " in line and message in line


SIZES = sorted(check.FITTED + check.HELD_OUT)
TASK = Task("", clips=4, classes=2, sizes=SIZES, repeats=1)


def timing_of(ranks, link, call=1e-3, computing=0.5):
    """What workers would measure where the formulas hold exactly."""
    reducing = ring(4 * 1000, ranks, link)
    return Timing(
        step=computing + reducing,
        computing=computing,
        all_reduces=[call + ring(size, ranks, link) for size in SIZES],
        collectives=[4 * (1000 + 3 + 2 * 8)] if ranks > 1 else [],
        parameters=1000,
    )


def test_where_the_formulas_hold_every_ratio_is_one():
    timings = {ranks: timing_of(ranks, LINK) for ranks in (1, 2, 4)}
    *lines, last = check.report(TASK, timings, cores=4)
    result = json.loads(last)
    assert set(result["ratios"].values()) == {1.0}
    assert len(result["ratios"]) == len(check.HELD_OUT) + len(TASK.sizes) + 4
    assert result["bandwidth"] == pytest.approx(LINK.bandwidth)
    assert result["latency"] == pytest.approx(LINK.latency)
    assert not any("workers share" in line for line in lines)


def test_more_workers_than_cores_are_expected_to_slow_down():
    """And the report says so."""
    timings = {ranks: timing_of(ranks, LINK) for ranks in (1, 2, 4)}
    *lines, last = check.report(TASK, timings, cores=2)
    ratios = json.loads(last)["ratios"]
    assert ratios["step, from one alone, 2"] == 1
    assert ratios["step, from one alone, 4"] == pytest.approx(0.5, abs=0.01)
    assert any("4 workers share 2 cores" in line for line in lines)


def test_a_link_is_found_from_its_all_reduces():
    for link in (LINK, Link(5e8, 0.0)):
        seconds = [ring(size, 3, link) for size in check.FITTED]
        fitted = check.fit_link(check.FITTED, seconds, 3)
        assert fitted.bandwidth == pytest.approx(link.bandwidth)
        assert fitted.latency == pytest.approx(link.latency, abs=1e-12)


def test_a_latency_is_never_negative():
    seconds = [0.9e-6, 5e-5, 1e-3, 2e-2]
    assert check.fit_link(check.FITTED, seconds, 2).latency == 0


@pytest.mark.parametrize("seconds", [[1, 1, 0.1, 0.01], [0, 1, 2, 3]])
def test_times_that_no_link_has_are_refused(seconds):
    with pytest.raises(RunError, match="must grow with its bytes"):
        check.fit_link(check.FITTED, seconds, 2)


def test_gradients_in_several_pieces_are_refused():
    whole = timing_of(2, LINK)
    check.require_one_pack(whole, 1000, clips=8)
    [size] = whole.collectives
    for collectives in ([4000, size - 4000], [4000], [size, 4], [size] * 2, []):
        with pytest.raises(RunError, match="A step must hold one all-reduce"):
            pieces = dataclasses.replace(whole, collectives=collectives)
            check.require_one_pack(pieces, 1000, clips=8)
    with pytest.raises(RunError, match="1,001 weights"):
        check.require_one_pack(whole, 1001, clips=8)


def test_workers_asked_for():
    assert check.numbers_of_workers(None, cores=2) == [1, 2]
    assert check.numbers_of_workers(None, cores=1) == [1, 2]
    assert check.numbers_of_workers(None, cores=4) == [1, 2, 4]
    assert check.numbers_of_workers(["3", "1"], cores=1) == [1, 3]


def test_two_real_workers_reduce_all_at_once(tiny):
    """In float32, as the prediction takes for granted; no time is judged."""
    model = dataclasses.replace(
        tiny.model, depths=(1,), num_heads=(1,), drop_path_rate=0.0, dropout=0.0
    )
    data = dataclasses.replace(tiny.data, frames=2, size=8)
    runtime = dataclasses.replace(tiny.runtime, precision="mixed_float16")
    small = to_json(dataclasses.replace(tiny, model=model, data=data, runtime=runtime))
    task = Task(small, clips=1, classes=3, sizes=[4000, 64000], repeats=1)
    timing = workers.measure(task, 2)
    check.require_one_pack(timing, count_parameters(model, 3), clips=2)
    assert len(timing.all_reduces) == 2
    assert min(timing.step, timing.computing, *timing.all_reduces) > 0


def test_a_worker_that_fails_ends_the_others(monkeypatch):
    started = []

    def start(argument, addresses, index, log):
        code = "import time; time.sleep(600)"
        if index:
            code = "import sys; sys.exit('no such model')"
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=log
            )
        )
        return started[-1]

    monkeypatch.setattr(workers, "start", start)
    with pytest.raises(RunError, match="Worker 1 of 2 .* code 1: no such model"):
        workers.measure(TASK, 2)
    assert all(process.returncode is not None for process in started)
