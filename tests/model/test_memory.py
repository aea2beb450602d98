"""The line on memory before the first step, and the flags that it names."""

import dataclasses
import re

import pytest

from configs.schema import Data, Experiment, Model, Runtime, video_swin
from model.memory import what_fits
from model.video_swin.memory import GIB, USABLE


def experiment(model=None, *, batch_size=16, **runtime):
    return Experiment(
        model=model or video_swin("tiny"),
        data=Data(batch_size=batch_size),
        runtime=Runtime(**runtime),
    )


def line_of(config, gib, *, replicas=1, begun=False):
    memory = None if gib is None else gib * GIB
    return what_fits(config, 101, replicas=replicas, memory=memory, begun=begun)


def remedies(line):
    """What the line offers, each with its GiB."""
    offers = re.findall(r"((?:--\S+ )+)\((\d+\.\d) GiB", line)
    return [(flags.strip(), float(gib)) for flags, gib in offers]


def names(line):
    return [flags for flags, _ in remedies(line)]


def test_the_line_says_what_an_update_takes():
    config = experiment(accumulation_steps=2)
    fits, line = line_of(config, 80, replicas=4)
    assert fits
    assert re.fullmatch(
        r"Memory: 27\.9 M parameters, about \d\.\d GiB of activations a clip "
        r"\(float32, recompute=none\), clips: 2 at once on each replica, whose memory "
        r"is 80\.0 GiB; an update takes about \d\.\d GiB\.",
        line,
    )


def test_what_makes_it_fit_is_named_by_what_it_costs():
    fits, line = line_of(experiment(), 24)
    assert not fits
    assert names(line) == [
        "--model.recompute=attention",
        "--runtime.precision=mixed_bfloat16",
        "--runtime.accumulation_steps=2",
        "--data.batch_size=10",
    ]
    assert all(gib <= USABLE * 24 for _, gib in remedies(line))
    assert line.count("another result, fixed once a run has begun") == 2


def test_what_is_fixed_in_a_begun_run_is_not_offered():
    _, line = line_of(experiment(), 24, begun=True)
    assert names(line) == [
        "--model.recompute=attention",
        "--runtime.accumulation_steps=2",
    ]


def test_flags_go_together_where_none_is_enough():
    assert names(line_of(experiment(batch_size=16), 16)[1])[:2] == [
        "--model.recompute=attention --runtime.precision=mixed_bfloat16",
        "--runtime.accumulation_steps=4",
    ]


@pytest.mark.parametrize("gib", [12, 16, 24, 32, 60])
def test_what_is_offered_fits_indeed(gib):
    config = experiment(video_swin("small"), batch_size=24)
    for flags in names(line_of(config, gib, replicas=2)[1]):
        changed = config
        for flag in flags.split():
            name, value = flag.removeprefix("--").split("=")
            section, option = name.split(".")
            value = int(value) if value.isdecimal() else value
            part = dataclasses.replace(getattr(changed, section), **{option: value})
            changed = dataclasses.replace(changed, **{section: part})
        changed.check_replicas(2)
        assert line_of(changed, gib, replicas=2)[0]


def test_a_model_too_large_for_the_device_is_told():
    fits, line = line_of(experiment(), 0.2)
    assert not fits
    assert line.endswith("It will not fit, whatever the options are.")


def test_unknown_memory_is_no_reason_to_warn():
    fits, line = line_of(experiment(), None)
    assert fits
    assert "memory is unknown" in line


def test_a_foreign_graph_has_no_estimate():
    fits, line = line_of(experiment(Model(backbone="hub", handle="somewhere")), 16)
    assert fits
    assert "no estimate" in line
    assert "16 at once on each replica, whose memory is 16.0 GiB" in line


def test_xla_plans_memory_otherwise():
    assert (
        "recompute=none, without XLA)" in line_of(experiment(jit_compile=True), 80)[1]
    )
