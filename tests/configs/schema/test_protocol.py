"""How a model is shown videos, taken from a configuration and put into another."""

import dataclasses

import pytest

from configs import demo
from configs.command.errors import ConfigError
from configs.schema import Data, Protocol, Runtime, Views
from configs.schema.protocol import FORMER, PLACES, describe, option_name
from configs.schema.section import options

OTHER = Protocol(
    frames=4,
    frame_sampling="interval",
    frame_interval=3,
    size=16,
    shuffle_frames=True,
    clips=5,
    crops=3,
    view_sampling="mmaction2",
    short_side=18,
    precision="mixed_bfloat16",
    seed=7,
)


def test_it_goes_from_one_configuration_into_another():
    assert Protocol.of(OTHER.applied_to(demo.config())) == OTHER
    assert Protocol().applied_to(demo.config()) == demo.config()
    only = Protocol(crops=3).applied_to(demo.config())
    assert only.views == dataclasses.replace(demo.config().views, crops=3)


def test_its_values_are_options():
    names = {name for name, _, _ in options(type(demo.config()))}
    assert {option_name(name) for name in PLACES} <= names


def test_differences_are_of_what_both_know():
    own = Protocol.of(demo.config())
    assert own.differences(own) == own.differences(Protocol()) == {}
    assert own.differences(Protocol(clips=1, crops=1)) == {"clips": (2, 1)}
    assert own.differences(Protocol(seed=5, shuffle_frames=False)) == {}
    shuffled = dataclasses.replace(own, shuffle_frames=True, seed=5)
    assert own.differences(shuffled) == {"shuffle_frames": (False, True)}
    assert OTHER.differences(shuffled)["seed"] == (7, 5)


def test_an_interval_differs_only_where_frames_are_at_one():
    segments = dataclasses.replace(OTHER, frame_sampling="segments", frame_interval=5)
    assert OTHER.differences(segments) == {"frame_sampling": ("interval", "segments")}
    assert segments.differences(OTHER).keys() == {"frame_sampling", "frame_interval"}
    assert segments.differences(dataclasses.replace(segments, frame_interval=9)) == {}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"frame_interval": 0}, "data.frame_interval must be at least 1"),
        ({"frame_sampling": "even"}, "data.frame_sampling must be"),
        ({"crops": 2}, "views.crops must be"),
        ({"short_side": 31}, "views.short_side must be 0 or at least data.size=32"),
        (
            {"view_sampling": "torchvision", "frame_sampling": "segments"},
            "views.sampling must be official under data.frame_sampling=segments",
        ),
        ({"precision": "int8"}, "runtime.precision must be"),
    ],
)
def test_values_keep_the_rules_of_their_options(values, message):
    with pytest.raises(ConfigError, match=message):
        Protocol(**values).applied_to(demo.config())


def test_what_a_test_depends_on_is_all_in_it():
    """Any option of these sections that is not changes no number of a test."""
    no_matter = {
        "data": {
            *("source", "root", "split", "validation", "validation_groups"),
            *("batch_size", "crop_area", "flip", "max_bad_fraction", "threads"),
            *("sampling", "train_list", "validation_list", "test_list", "class_list"),
            *("split_file", "frame_pattern", "validation_fraction", "test_fraction"),
        },
        "views": {"batch_size_per_replica"},
        "runtime": {
            *("cluster", "join_minutes", "replicas"),
            *("accumulation_steps", "deterministic", "jit_compile"),
            *("profile_steps", "wandb"),
        },
    }
    for name, section in (("data", Data), ("views", Views), ("runtime", Runtime)):
        fields = {field.name for field in dataclasses.fields(section)}
        known = {option for place, option in PLACES.values() if place == name}
        assert fields == known | no_matter[name]


def test_words():
    assert describe(Protocol(frames=4)) == ""
    text = "frame interval 3, measured with 5 x 3 views, clips placed as by mmaction2, "
    text += "short side 18"
    assert describe(OTHER) == text
    segments = Protocol(frame_sampling="segments", frame_interval=3)
    former = dataclasses.replace(OTHER, **FORMER)
    assert describe(former) == "frame interval 3, measured with 5 x 3 views"
    assert describe(segments) == "one from each equal segment of the video"
