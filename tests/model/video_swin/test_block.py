import inspect

import tf_keras as keras

from model.video_swin import backbone, block, linear, patches
from model.video_swin.backbone import VideoSwin


def examples():
    """One layer of every class in the wing."""
    yield VideoSwin(
        embed_dim=8,
        depths=(2, 2),
        num_heads=(1, 2),
        window_size=(4, 3, 3),
        drop_path_rate=0.2,
        recompute="block",
    )
    yield linear.LayerNorm()
    yield linear.Linear(8)
    yield linear.GeluLinear(8)
    yield patches.PatchEmbedding(8, (2, 4, 4))
    yield block.WindowAttention(8, 2, (2, 3, 3))
    yield block.Block(8, 2, (2, 3, 3), True)
    yield patches.PatchMerging(8)


def test_every_layer_is_rebuilt_from_its_config():
    found = {
        member
        for module in (backbone, block, linear, patches)
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, keras.layers.Layer)
    }
    assert found == {type(layer) for layer in examples()}
    for layer in examples():
        again = type(layer).from_config(layer.get_config())
        assert again.get_config() == layer.get_config()
