import types

import pytest
import tf_keras as keras

from callbacks.update_ratios import EVERY, UpdateRatios


@pytest.fixture
def model():
    """Weights of a backbone (3, 0, 4, 0) and of a head (0, 1, 0)."""
    backbone = keras.layers.Dense(2, kernel_initializer="zeros")
    head = keras.layers.Dense(1, kernel_initializer="zeros")
    backbone.build([None, 2])
    head.build([None, 2])
    backbone.kernel.assign([[3, 0], [4, 0]])
    head.kernel.assign([[0], [1]])
    return types.SimpleNamespace(backbone=backbone, head=head)


def update(model, step, change):
    """What an update that does `change` reports, as the step `step`."""
    callback, logs = UpdateRatios(step - 1), {"loss": 1.0}
    callback.set_model(model)
    callback.on_train_batch_begin(0)
    change()
    callback.on_train_batch_end(0, logs)
    return logs


def test_ratios_are_those_worked_out_by_hand(model):
    def change():
        model.backbone.kernel.assign_add([[0, 0.3], [0, 0]])
        model.backbone.bias.assign_add([0.4, 0])
        model.head.bias.assign([-0.25])

    assert update(model, EVERY, change) == {
        "loss": 1.0,
        "backbone_update_ratio": pytest.approx(0.5 / 5, rel=1e-6),
        "head_update_ratio": 0.25,
    }


def test_an_update_that_was_left_out_has_the_ratio_zero(model):
    logs = update(model, 3 * EVERY, lambda: None)
    assert (logs["backbone_update_ratio"], logs["head_update_ratio"]) == (0, 0)


@pytest.mark.parametrize("step", [1, EVERY - 1, EVERY + 1])
def test_other_updates_have_none(model, step):
    assert update(model, step, lambda: None) == {"loss": 1.0}


def test_a_part_without_trained_weights_has_none(model):
    model.backbone.trainable = False
    model.head.kernel.assign([[0], [0]])
    assert update(model, EVERY, lambda: None) == {"loss": 1.0}
