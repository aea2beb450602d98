import numpy as np
import pytest

from configs.command.errors import ConfigError
from model.video_swin.backbone import VideoSwin
from model.video_swin.windows import relative_position_index
from model.weights.architecture import (
    infer_architecture,
    infer_num_classes,
    infer_window_size,
    official_shapes,
    to_native,
    to_state_dict,
)
from model.weights.released import RELEASED


def test_architecture_is_inferred_from_shapes(state, architecture):
    assert infer_architecture(state) == architecture
    assert infer_num_classes(state) == 3


@pytest.mark.parametrize("window", [(8, 7, 7), (16, 7, 7), (2, 3, 3), (4, 3, 5)])
def test_window_is_certain_with_the_index_table(window):
    index = relative_position_index(window, np.prod(window)).numpy()
    rows = np.prod([2 * side - 1 for side in window])
    assert infer_window_size(rows, index) == window


@pytest.mark.parametrize("name", RELEASED)
def test_windows_of_released_models_need_no_index_table(name):
    window = RELEASED[name].window_size
    rows = np.prod([2 * side - 1 for side in window])
    assert infer_window_size(rows, None) == window


def test_a_window_that_rows_alone_do_not_tell_is_asked_for():
    """9 x 13 x 13 = 3 x 3 x 13 x 13 = 39 x 39 = 1521, by hand; sides of 1 are none."""
    with pytest.raises(ConfigError, match=r"of 1x20x20, 5x7x7, 85x2x2\.$"):
        infer_window_size(1521, None)
    for window in [(5, 7, 7), (1, 20, 20), (85, 2, 2), (7, 5, 7)]:
        assert infer_window_size(1521, None, window) == window
    with pytest.raises(ConfigError, match=r"85x2x2; received 8x7x7\.$"):
        infer_window_size(1521, None, (8, 7, 7))


@pytest.mark.parametrize("window", [(5, 7, 7), (1, 20, 20)])
def test_the_index_table_tells_what_rows_do_not(window):
    index = relative_position_index(window, np.prod(window)).numpy()
    for known in [None, (5, 7, 7), (1, 20, 20)]:
        assert infer_window_size(1521, index, known) == window


def test_shapes_are_those_of_the_official_implementation(shared):
    reference = np.load(shared / "reference" / "official_a.npz")
    state = {k[6:]: reference[k].shape for k in reference if k.startswith("state/")}
    expected = {k: v for k, v in state.items() if not k.endswith("position_index")}
    architecture = {"embed_dim": 8, "depths": (2, 2, 2, 2), "num_heads": (1, 2, 4, 8)}
    (num_classes,) = state["cls_head.fc_cls.bias"]
    assert official_shapes(architecture, num_classes) == expected
    backbone = {k: v for k, v in expected.items() if k.startswith("backbone.")}
    assert official_shapes(architecture, None) == backbone


KERNEL = "backbone.patch_embed.proj.weight"
TABLE = "backbone.layers.0.blocks.0.attn.relative_position_bias_table"


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        (KERNEL, (100_000, 3, 2, 4, 4), "720,000,000,000 weights and more"),
        (TABLE, (201 * 201, 1), "at most 4608 patches; received 1x101x101"),
        (TABLE, (45, 3), r"multiples of their heads; received \[3, 2\]"),
        ("backbone.layers.0.blocks.900.norm1.bias", (8,), r"of \[901, 1\] by their"),
        ("backbone.layers.9.blocks.0.norm1.bias", (8,), "it holds 4"),
    ],
)
def test_a_model_far_larger_than_its_checkpoint_is_not_built(
    state, name, shape, message
):
    index = TABLE.replace("bias_table", "index")
    tensors = {key: value for key, value in state.items() if key != index}
    tensors[name] = np.broadcast_to(np.float32(0), shape)
    with pytest.raises(ConfigError, match=message):
        infer_architecture(tensors)


@pytest.mark.parametrize("number", ["9" * 12, "9" * 6000])
def test_numbers_that_no_block_has_are_names_that_are_not_known(state, number):
    name = f"backbone.layers.0.blocks.{number}.norm1.bias"
    assert infer_architecture(state | {name: np.zeros(8)}) == infer_architecture(state)


def test_layers_still_work_after_shapes_were_asked_for(architecture):
    backbone = VideoSwin(**architecture)
    official_shapes(architecture, 3)
    assert backbone(np.zeros([1, 4, 3, 24, 20], np.float32)).shape[-1] == 16
    assert np.any(VideoSwin(**architecture).norm.gamma)


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


def test_an_empty_tensor_is_refused(state):
    name = "backbone.patch_embed.proj.weight"
    with pytest.raises(ConfigError, match=f"{name} must have 5 axes, none of length 0"):
        infer_architecture(state | {name: state[name][:, :, :0]})
