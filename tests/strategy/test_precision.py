"""The policy of layers follows the precision; variables stay float32."""

import pytest
import tf_keras as keras

from strategy import set_precision


@pytest.mark.parametrize(
    ("precision", "compute"),
    [
        ("mixed_bfloat16", "bfloat16"),
        ("mixed_float16", "float16"),
        ("float32", "float32"),
    ],
)
def test_layers_take_the_precision(precision, compute):
    set_precision(precision)
    try:
        layer = keras.layers.Dense(1)
        assert (layer.compute_dtype, layer.variable_dtype) == (compute, "float32")
    finally:
        set_precision("float32")
