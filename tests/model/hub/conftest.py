"""SavedModels like the published ones."""

import pytest
import tf_keras as keras

FRAMES, SIZE, CHANNELS = 4, 16, 6


@pytest.fixture(scope="session")
def save_published():
    """Writes a SavedModel as the published ones: by Keras, [n, 3, T, H, W] in."""

    def save(folder, clip=(3, FRAMES, SIZE, SIZE), channels_first=True):
        inputs = keras.Input(clip)
        axis = clip.index(3)
        order = [1 + i for i in range(4) if i != axis]
        x = keras.layers.Permute([*order, axis + 1])(inputs)
        patch = (2, 8, 8)
        x = keras.layers.Conv3D(CHANNELS, patch, strides=patch, name="patches")(x)
        x = keras.layers.LayerNormalization()(x)
        x = keras.layers.Dropout(0.5)(x)
        if channels_first:
            x = keras.layers.Permute([4, 1, 2, 3])(x)
        keras.Model(inputs, x).save(folder, save_format="tf")
        return str(folder)

    return save


@pytest.fixture(scope="session")
def published(save_published, tmp_path_factory):
    """The path of such a model."""
    return save_published(tmp_path_factory.mktemp("hub") / "published")
