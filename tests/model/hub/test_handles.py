import pickle
import re
import tarfile

import numpy as np
import pytest

from configs.command.errors import ConfigError
from model.hub.handles import check_handle


def test_what_may_be_a_saved_model_passes(tmp_path):
    (tmp_path / "saved_model.pb").touch()
    (tmp_path / "weights.npz").touch()  # Beside a SavedModel it is none of ours.
    check_handle(tmp_path)
    check_handle("https://tfhub.dev/shoaib6174/swin_tiny_patch244_window877/1")
    for name in ("model.tar.gz", "model.tar", "swin.pth.tar"):
        with tarfile.open(tmp_path / name, "w:gz" if name.endswith("gz") else "w") as f:
            f.add(tmp_path / "saved_model.pb", arcname="saved_model.pb")
        check_handle(str(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("swin_tiny_k400.pth", "swin_tiny_k400"),
        ("a b.PT", "'converted/a b'"),
        ("model.safetensors", "model"),
        ("model.pth.tar", "model"),
        ("without_an_ending", "without_an_ending"),
    ],
)
def test_of_a_checkpoint_the_command_is_named(tmp_path, name, output):
    path = tmp_path / name
    path.write_bytes(pickle.dumps({"state_dict": {}}))
    output = output if output.startswith("'") else f"converted/{output}"
    with pytest.raises(ConfigError) as error:
        check_handle(str(path))
    command = f"python -m model.convert [^ ]*{re.escape(name)}'? {output}, and"
    assert re.search(f"the file of a checkpoint: {command}", str(error.value))
    assert str(error.value).endswith(f"--model.handle={output}.")


def test_numpys_checkpoints_folders_and_addresses_are_known(tmp_path):
    np.savez(tmp_path / "official.npz", a=np.zeros(1))
    for handle, command in (
        (tmp_path / "official.npz", f"convert {tmp_path}/official.npz converted/offi"),
        (tmp_path, f"a folder with a checkpoint: .* {tmp_path}/official.npz converted"),
        ("https://x.org/swin3d_t.pth?a=1", "download it, then .* swin3d_t.pth conver"),
    ):
        with pytest.raises(ConfigError, match=command):
            check_handle(str(handle))


def test_any_other_file_is_left_to_who_opens_it(tmp_path):
    (tmp_path / "notes.txt").write_text("no archive")
    check_handle(str(tmp_path / "notes.txt"))
    with pytest.raises(ConfigError, match="which is not there"):
        check_handle(str(tmp_path / "absent.pth"))
