import numpy as np
import pytest

from configs.errors import ConfigError
from model.architecture import (
    infer_architecture,
    infer_classes,
    infer_window,
    native_shapes,
    to_native,
    to_state_dict,
)
from model.variants import RELEASED, check_variant
from model.video_swin import VideoSwin
from model.windows import relative_position_index


def test_architecture_is_inferred_from_shapes(state, architecture):
    assert infer_architecture(state) == architecture
    assert infer_classes(state) == 3


@pytest.mark.parametrize("window", [(8, 7, 7), (16, 7, 7), (2, 3, 3), (4, 3, 5)])
def test_window_is_certain_with_the_index_table(window):
    index = relative_position_index(window, np.prod(window)).numpy()
    rows = np.prod([2 * side - 1 for side in window])
    assert infer_window(rows, index) == window


@pytest.mark.parametrize("name", RELEASED)
def test_windows_of_released_models_need_no_index_table(name):
    window = RELEASED[name].window
    rows = np.prod([2 * side - 1 for side in window])
    assert infer_window(rows, None) == window


def test_shapes_are_those_of_the_model(architecture):
    weights = VideoSwin(**architecture).named_weights()
    found = {path: tuple(weight.shape) for path, weight in weights.items()}
    assert native_shapes(architecture) == found


def test_round_trip_is_exact_to_the_bit(state, architecture):
    again = to_state_dict(to_native(state, architecture), architecture)
    assert again.keys() == state.keys()
    for name, value in state.items():
        assert again[name].dtype == value.dtype
        assert again[name].tobytes() == value.tobytes()


def test_a_foreign_index_table_is_refused(state, architecture):
    name = "backbone.layers.0.blocks.1.attn.relative_position_index"
    wrong = state | {name: state[name][::-1]}
    with pytest.raises(ConfigError, match=f"{name} must be the index table"):
        to_native(wrong, architecture)
    without = {key: value for key, value in state.items() if key != name}
    to_native(without, architecture)


def test_what_is_no_video_swin_is_refused():
    with pytest.raises(ConfigError, match=r"must hold tensors backbone\.layers"):
        infer_architecture({"conv1.weight": np.zeros([3, 3])})


def test_names_and_contents_of_variants_agree():
    """The predecessor's K600 entry bore K400's name and classes."""
    for name, variant in RELEASED.items():
        window = "".join(map(str, variant.window))
        data = {400: "kinetics400", 600: "kinetics600", 174: "sthv2"}[variant.classes]
        assert name.startswith(f"swin_{variant.size}_patch244_window{window}_{data}")
        check_variant(name, variant.architecture, variant.classes)
    with pytest.raises(ConfigError, match=r"classes=600 \(received 400\)"):
        name = "swin_base_patch244_window877_kinetics600_22k"
        check_variant(name, RELEASED[name].architecture, 400)
    with pytest.raises(ConfigError, match="must be one of swin_tiny"):
        check_variant("swin_huge", {}, 400)
