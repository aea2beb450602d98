import numpy as np
import pytest

from model.convert import as_native
from model.weights.architecture import infer_architecture, to_native
from model.weights.inflation import bicubic, inflate, is_2d
from model.weights.names import PATCH_KERNEL


@pytest.fixture
def image_model(state):
    """The tensors of a 2D model, as ImageNet checkpoints name them."""
    generator = np.random.default_rng(1)
    tensors = {}
    for name, value in state.items():
        if name.startswith("cls_head"):
            continue
        if name == PATCH_KERNEL:
            value = value[:, :, 0]
        if name.endswith("table"):
            value = generator.normal(size=(25, value.shape[1])).astype(np.float32)
        tensors[name] = value
    return tensors | {"head.weight": np.zeros([10, 16]), "head.bias": np.zeros([10])}


def test_a_still_video_gives_the_embedding_of_its_image(image_model):
    assert is_2d(image_model)
    kernel = inflate(image_model)[PATCH_KERNEL]
    assert kernel.dtype == np.float32
    np.testing.assert_allclose(kernel.sum(axis=2), image_model[PATCH_KERNEL], rtol=1e-6)


def test_tables_are_repeated_over_the_frames_of_a_window(image_model):
    inflated = inflate(image_model)
    architecture = infer_architecture(inflated)
    assert architecture["window_size"] == (8, 3, 3)
    assert "head/kernel" not in to_native(inflated, architecture)
    name = "backbone.layers.1.blocks.0.attn.relative_position_bias_table"
    table = inflated[name].reshape(15, 25, 2)
    np.testing.assert_array_equal(table, np.stack([image_model[name]] * 15))


def test_tables_are_resized_for_another_window(image_model):
    inflated = inflate(image_model, (4, 5, 5))
    assert infer_architecture(inflated, (4, 5, 5))["window_size"] == (4, 5, 5)


@pytest.mark.parametrize("window", [(5, 7, 7), (4, 5, 5), (13, 3, 3), (3, 4, 5)])
def test_the_window_that_was_asked_for_is_the_models(image_model, window):
    """Row counts such as 9 x 13 x 13 are those of several windows."""
    assert as_native(image_model, window)[1]["window_size"] == window


@pytest.mark.parametrize("side", [5, 7, 8])
def test_the_sides_of_an_inflated_model_are_its_own(image_model, side):
    """15 x 15 x 15 rows are those of 8 x 8 x 8 alone, 15 x 9 x 9 also of 68 x 2 x 2."""
    for name, value in image_model.items():
        if name.endswith("bias_table"):
            rows = (2 * side - 1) ** 2
            image_model[name] = np.zeros([rows, value.shape[1]], np.float32)
    assert as_native(image_model, None)[1]["window_size"] == (8, side, side)


@pytest.mark.parametrize(("old", "new"), [(23, 13), (13, 23), (5, 9)])
def test_resizing_is_that_of_pytorch(torch, old, new):
    plane = np.random.default_rng(0).normal(size=(old, old)).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.tensor(plane)[None, None], size=(new, new), mode="bicubic"
    )[0, 0]
    matrix = bicubic(old, new)
    np.testing.assert_allclose(matrix @ plane @ matrix.T, expected, atol=1e-5)
