"""What a file says of how its model is shown videos is checked before it is used."""

import pytest

from configs.command.errors import ConfigError
from configs.schema import Protocol
from model.weights.protocol import clip_facts, read_protocol


def test_it_is_read_as_it_was_written():
    own = Protocol(
        frame_sampling="segments",
        clips=1,
        crops=3,
        view_sampling="official",
        short_side=256,
        precision="mixed_float16",
    )
    assert read_protocol(own.known, "model.json") == own
    assert read_protocol(None, "model.json") == Protocol()
    read = read_protocol(own.known, "model.json", clip=[4, 16, 16])
    assert (read.frames, read.size, read.frame_sampling) == (4, 16, "segments")
    assert read_protocol({}, "model.json", clip=[4, 24, 20]).size is None
    read = read_protocol({"short_side": 30}, "model.json", clip=[4, 24, 20])
    assert (read.size, read.short_side) == (None, 30)


def test_what_is_not_said_was_not_there_when_it_was_written():
    read = read_protocol({"frame_interval": 4}, "model.json")
    assert read == Protocol(frame_sampling="interval", frame_interval=4)
    former = Protocol(crops=3, view_sampling="official", short_side=0)
    assert read_protocol({"crops": 3}, "model.json") == former


@pytest.mark.parametrize(
    "values",
    [
        "32x2",
        {"frame_interval": "2"},
        {"frame_interval": 0},
        {"frame_sampling": "even"},
        {"frame_sampling": True},
        {"frame_interval": float("nan")},
        {"crops": 2},
        {"view_sampling": "dense"},
        {"short_side": 100, "size": 112},
        {"view_sampling": "mmaction2", "frame_sampling": "segments"},
        {"precision": "int8"},
        {"shuffle_frames": 1},
        {"seed": -1},
        {"clips": {1, 2}},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_in_one_line(values):
    with pytest.raises(ConfigError, match=r"model\.json must say how clips") as error:
        read_protocol(values, "model.json")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("clip", "own", "short_side"),
    [
        (None, None, 256),
        ((8, 112, 112), None, 128),
        ((8, 225, 300), None, 257),
        (None, (8, 112, 160), 256),
        ((8, 224, 224), (8, 112, 160), 512),
    ],
)
def test_other_clips_show_as_much_of_a_frame(clip, own, short_side):
    size = None if own else 224
    protocol = Protocol(frames=8, size=size, crops=1, short_side=256)
    facts = clip_facts(protocol, clip, own)
    assert facts["protocol"]["short_side"] == short_side
    read = read_protocol(facts["protocol"], "model.json", facts["clip"])
    assert read.short_side == short_side
