"""A flag that is none finds the one that was meant."""

import pytest
from absl import flags as absl_flags

from configs.command.flags import define
from configs.command.suggestions import meant
from configs.schema import Experiment
from configs.schema.section import options


@pytest.fixture(scope="module")
def known():
    values = absl_flags.FlagValues()
    define(values)
    return list(values)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("batch_size", ["data.batch_size"]),
        ("batch-size", ["data.batch_size"]),
        ("data.batchsize", ["data.batch_size"]),
        ("model.batch_size", ["data.batch_size"]),
        ("lr", ["optimizer.learning_rate"]),
        ("learning_rate", ["optimizer.learning_rate"]),
        ("optimizer.lr", ["optimizer.learning_rate"]),
        ("learningrate", ["optimizer.learning_rate"]),
        ("wd", ["optimizer.weight_decay"]),
        ("crops", ["views.crops"]),
        ("epoch", ["epochs"]),
        ("data.rot", ["data.root"]),
        ("dump-config", ["dump_config"]),
        ("xyzzy", []),
        ("", []),
    ],
)
def test_the_flag_that_was_meant_is_found(known, name, found):
    assert meant(name, known) == found


def test_an_option_of_several_sections_finds_all_of_them():
    assert meant("size", ["a.size", "b.size", "c.sizes"]) == ["a.size", "b.size"]


def test_every_option_is_found_without_its_section(known):
    for name, *_ in options(Experiment):
        assert name in meant(name.rpartition(".")[2], known)
