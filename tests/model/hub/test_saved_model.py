import re
import tarfile

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from configs.command.errors import ConfigError
from model.hub.saved_model import (
    check_interface,
    local_directory,
    read_interface,
    read_variables,
)


def test_refuses_a_clip_that_does_not_fit(published):
    interface = read_interface(published)
    assert interface.sizes == (4, 16, 16)
    check_interface(interface, frames=4, size=16)
    with pytest.raises(ConfigError, match=re.escape("--data.frames=4 --data.size=16")):
        check_interface(interface, frames=8, size=16)


def test_refuses_what_is_no_clip_model(tmp_path):
    inputs = keras.Input((28, 28, 3))
    model = keras.Model(inputs, keras.layers.Flatten()(inputs))
    model.save(tmp_path / "image", save_format="tf")
    with pytest.raises(ConfigError, match=r"offers .*28, 28, 3"):
        read_interface(tmp_path / "image")
    tf.saved_model.save(tf.Module(), str(tmp_path / "module"))
    with pytest.raises(ConfigError, match="no object that can be called"):
        read_interface(tmp_path / "module")
    with pytest.raises(ConfigError, match="a directory with saved_model.pb"):
        local_directory(str(tmp_path))
    with pytest.raises(ConfigError, match="a path or an address"):
        local_directory(str(tmp_path / "missing"))
    (tmp_path / "module/saved_model.pb").write_bytes(b"half")
    with pytest.raises(ConfigError, match="must be a whole SavedModel"):
        read_interface(tmp_path / "module")
    (tmp_path / "text").write_text("no archive")
    with pytest.raises(ConfigError, match="a whole tar file"):
        local_directory(str(tmp_path / "text"))


def test_unpacks_a_tar_file_once(published, tmp_path, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(published, arcname=".")
    directory = local_directory(str(archive))
    changed = directory.stat().st_mtime_ns
    assert read_interface(directory) == read_interface(published)
    assert local_directory(str(archive)).stat().st_mtime_ns == changed
    archive.write_bytes(archive.read_bytes()[:1000])
    with pytest.raises(ConfigError, match="a whole tar file"):
        local_directory(str(archive))
    names = {path.name for path in (tmp_path / "cache").iterdir()}
    assert names == {".lock", directory.name, f"{directory.name}.manifest.json"}


def test_reads_a_flat_list_of_variables_in_its_order(tmp_path):
    root = tf.__internal__.tracking.AutoTrackable()
    root.variables = [tf.Variable([1.0, 2.0]), tf.Variable(3)]
    tf.saved_model.save(root, str(tmp_path / "flat"))
    first, second = read_variables(tmp_path / "flat")
    np.testing.assert_array_equal(first, [1.0, 2.0])
    assert second == 3
    (tmp_path / "flat/variables/variables.index").unlink()
    with pytest.raises(ConfigError, match="holds no whole variables"):
        read_variables(tmp_path / "flat")
