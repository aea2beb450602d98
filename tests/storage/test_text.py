import os

import pytest

from storage.text import escaped, unescaped


@pytest.mark.parametrize(
    "name",
    [
        *(b"plain", b"\\", b"\\\\", b"\\xff", b"\xff", b"\\\xff", b"\xff\\xff\\"),
        *("é\\é".encode(), b"\xc3", b"a\\x0g\n\\\xfe\\\\xab"),
    ],
)
def test_escaped_names_are_unicode_and_read_back(name):
    path = os.fsdecode(name)
    text = escaped(path)
    text.encode()
    assert unescaped(text) == path
