import numpy as np
import pytest

from configs.command.errors import ConfigError
from model.weights.names import (
    from_official,
    index_names,
    official_names,
    require_same_shapes,
    to_official,
)


def test_names_are_those_of_the_official_state_dict(shared):
    reference = np.load(shared / "reference" / "official_a.npz")
    official = {name[6:] for name in reference if name.startswith("state/")}
    depths = (2, 2, 2, 2)
    ours = {*official_names(depths).values(), *index_names(depths)}
    assert official - ours == {"cls_head.fc_cls.weight", "cls_head.fc_cls.bias"}
    assert ours <= official


@pytest.mark.parametrize(
    ("path", "shape", "expected"),
    [
        ("stage_0_0/fc1/kernel", (32, 8), (8, 32)),
        ("patch_embedding/kernel", (8, 3, 2, 4, 5), (2, 3, 4, 5, 8)),
        ("stage_0_0/attention/relative_position_bias_table", (75, 2), (75, 2)),
        ("norm/gamma", (8,), (8,)),
    ],
)
def test_layouts_change_for_kernels_only_and_back(path, shape, expected):
    value = np.arange(np.prod(shape)).reshape(shape)
    ours = from_official(path, value)
    assert ours.shape == expected
    np.testing.assert_array_equal(to_official(path, ours), value)


def test_differences_are_listed_from_both_sides():
    expected = {"same": (1,), "gone": (2, 3), "turned": (4, 5)}
    found = {"same": (1,), "new": (6,), "turned": (5, 4)}
    with pytest.raises(ConfigError) as error:
        require_same_shapes(expected, found)
    assert str(error.value).splitlines()[1:] == [
        "- gone [2, 3] is missing",
        "+ new [6] is not known",
        "! turned must be [4, 5]; received [5, 4]",
    ]
