import os
import subprocess
import sys

import pytest

from data.decoding.in_memory import file_in_memory


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_file_is_there_as_long_as_the_body_runs(in_memory, monkeypatch):
    if not in_memory:
        monkeypatch.delattr(os, "memfd_create")
    content = bytes(range(256)) * 9999
    with file_in_memory(content) as path, file_in_memory(b"") as empty:
        for _ in range(2):  # Each opening begins at the first byte.
            with open(path, "rb") as file:
                assert file.read() == content
        assert os.path.getsize(empty) == 0
        child = "import sys; print(len(open(sys.argv[1], 'rb').read()))"
        seen = subprocess.check_output([sys.executable, "-c", child, path])
        assert int(seen) == len(content)
    assert not os.path.exists(path) and not os.path.exists(empty)


def test_no_file_stays_open():
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        with pytest.raises(KeyError), file_in_memory(b"content"):
            raise KeyError
    assert os.listdir("/proc/self/fd") == before
