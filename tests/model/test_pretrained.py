import numpy as np
import pytest
import tensorflow as tf

from configs.errors import ConfigError
from model.convert import convert
from model.names import HEAD
from model.pretrained import load_classifier


def test_a_converted_model_keeps_its_own_classes(npz, tmp_path):
    """The native classifier gives what the exported graph gives."""
    convert(npz, tmp_path / "model", clip=(4, 24, 20), head=True)
    model, names, clip = load_classifier(tmp_path / "model")
    assert names == ("0", "1", "2") and clip == (4, 24, 20)
    generator = np.random.default_rng(0)
    clips = generator.integers(0, 256, [2, 4, 3, 24, 20], dtype=np.uint8)
    expected = tf.saved_model.load(str(tmp_path / "model"))(clips)
    np.testing.assert_allclose(tf.nn.softmax(model(clips)), expected, atol=1e-6)


def test_a_model_without_a_head_is_refused(state, tmp_path):
    bare = {name: v for name, v in state.items() if name not in HEAD.values()}
    np.savez(tmp_path / "bare.npz", **bare)
    convert(tmp_path / "bare.npz", tmp_path / "model", clip=(2, 8, 8))
    with pytest.raises(ConfigError, match="with a classification head"):
        load_classifier(tmp_path / "model")
