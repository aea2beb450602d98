import pytest

from configs import ssv2_swin_base
from configs.command.errors import ConfigError
from configs.schema import Protocol
from model.weights.released import RELEASED, check_variant


def test_names_and_contents_of_variants_agree():
    """The predecessor's K600 entry bore K400's name and classes."""
    for name, variant in RELEASED.items():
        window = "".join(map(str, variant.window_size))
        data = {400: "kinetics400", 600: "kinetics600", 174: "sthv2"}[
            variant.num_classes
        ]
        assert name.startswith(f"swin_{variant.size}_patch244_window{window}_{data}")
        check_variant(name, variant.architecture, variant.num_classes)
    with pytest.raises(ConfigError, match=r"classes=600 \(received 400\)"):
        name = "swin_base_patch244_window877_kinetics600_22k"
        check_variant(name, RELEASED[name].architecture, 400)
    with pytest.raises(ConfigError, match="must be one of swin_tiny"):
        check_variant("swin_huge", {}, 400)


def test_the_experiment_of_something_something_is_that_of_the_released_model():
    released = RELEASED["swin_base_patch244_window1677_sthv2"]
    config = ssv2_swin_base.config()
    assert config.model.architecture == released.architecture
    assert config.model.drop_path_rate == released.drop_path_rate
    assert released.protocol.differences(Protocol.of(config)) == {}


def test_each_is_shown_videos_as_it_was_published():
    """By the official configs; that of SSv2 has frame_uniform=True."""
    for name, variant in RELEASED.items():
        ssv2 = name.endswith("sthv2")
        assert variant.protocol.known == {
            "frames": 32,
            "size": 224,
            "clips": 1 if ssv2 else 4,
            "crops": 3,
            "view_sampling": "official",
            "short_side": 0,
            **(
                {"frame_sampling": "segments"}
                if ssv2
                else {"frame_sampling": "interval", "frame_interval": 2}
            ),
        }
