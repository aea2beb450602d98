"""Which variables decay, and which learn slowly."""

import types

import pytest
import tensorflow as tf
import tf_keras as keras

from configs.schema import Optimizer
from model.hub.backbone import HubBackbone
from model.optimizer import create_optimizer, describe_groups
from model.video_swin.backbone import VideoSwin


def toy(dim=8, num_classes=3):
    """What a classifier is to the optimizer: variables, some of them a backbone's."""
    backbone = VideoSwin(
        embed_dim=dim, depths=(1, 1), num_heads=(1, 2), window_size=(2, 2, 2)
    )
    head = keras.layers.Dense(num_classes)
    head.build([None, backbone.num_features])
    return types.SimpleNamespace(
        backbone=backbone,
        trainable_variables=backbone.trainable_variables + head.trainable_variables,
    )


def test_groups_are_the_intention_of_the_official_configuration():
    model = toy()
    config = Optimizer(weight_decay=0.05, backbone_lr_multiplier=0.1)
    optimizer = create_optimizer(config, model, batch_size=4, steps=10, warmup_steps=2)
    rules = {
        variable.name.partition("/")[2]: (group.lr_multiplier, group.weight_decay)
        for group in optimizer.groups
        for variable in group.variables
    }
    assert len(rules) == len(model.trainable_variables) - 2 + 1  # the head's: no path
    assert rules["patch_embedding/bias:0"] == (0.1, 0.05)
    assert rules["stage_0_0/attention/qkv/bias:0"] == (0.1, 0.05)
    assert rules["patch_embedding/norm/beta:0"] == (0.1, 0.0)
    assert rules["stage_1_0/norm1/gamma:0"] == (0.1, 0.0)
    table = "stage_1_0/attention/relative_position_bias_table:0"
    assert rules[table] == (0.1, 0.0)
    assert rules[""] == (1.0, 0.05)
    lines = describe_groups(optimizer)
    assert lines[-1] == (
        "head: 2 tensors, 51 parameters, learning rate x1, weight decay 0.05"
    )
    optimizer.build(model.trainable_variables)


@pytest.mark.parametrize(
    ("name", "decays"),
    [
        ("layer_normalization/gamma", False),
        ("window_attention3d_1/relative_position_bias_table", False),
        ("batch_normalization/moving", False),
        ("dense/bias", True),
        ("gamma_correction/kernel", True),
    ],
)
def test_names_of_hub_models_decide_their_decay(name, decays):
    variable = tf.Variable([1.0], name=name)
    model = types.SimpleNamespace(
        backbone=types.SimpleNamespace(
            trainable_variables=[variable], no_weight_decay=HubBackbone.no_weight_decay
        ),
        trainable_variables=[variable],
    )
    optimizer = create_optimizer(
        Optimizer(), model, batch_size=4, steps=1, warmup_steps=0
    )
    assert (optimizer.groups[0].weight_decay > 0) == decays
