import numpy as np
import pytest

from configs.command.errors import ConfigError
from model.weights.class_names import checked_class_names, read_class_names

NAMES = ("Café au lait", "走る", "a")


def nested(depth):
    """A list within lists, deeper than Python can print."""
    value = []
    for _ in range(depth):
        value = [value]
    return value


def written(tmp_path, content):
    path = tmp_path / "names.txt"
    path.write_bytes(content)
    return path


def test_reads_the_list_that_notepad_saved(shared):
    names = read_class_names(shared / "cases" / "lists" / "names_bom.txt")
    assert names[0] == "a"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n \n"])
def test_reads_every_encoding_that_says_its_name(tmp_path, encoding, end):
    content = end.join([*NAMES, ""]).encode(encoding)
    assert read_class_names(written(tmp_path, content)) == NAMES


def test_does_not_guess_at_other_bytes(tmp_path):
    path = written(tmp_path, "Run\nÜben\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="line 2 is not .*iconv -f WINDOWS-1252"):
        read_class_names(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"a\nb\na\n", "'a' is class 0 and 2"),
        (b"a\nb\x00\n", "line 2 holds a NUL"),
        (b"a\nb\x07\n", "class 1"),
        (b"\x80\x04\x95\x10\x00\n", "line 1 is not"),
    ],
)
def test_refuses_what_is_no_list_of_names(tmp_path, content, message):
    with pytest.raises(ConfigError, match=message):
        read_class_names(written(tmp_path, content))


def test_refuses_a_file_that_is_none(tmp_path):
    with pytest.raises(ConfigError, match="readable file"):
        read_class_names(tmp_path / "missing.txt")
    with open(tmp_path / "large", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ConfigError, match="larger than 16 MiB"):
        read_class_names(tmp_path / "large")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("abc", "a list of texts; it gives str 'abc'"),
        ({"a": 0}, "a list of texts; it gives dict"),
        ([1, 2], "a list of texts; it gives list"),
        (np.array(["a", "b"]), "a list of texts; it gives ndarray"),
        (["a", ""], "that of class 1"),
        (["a", "b\nc"], "that of class 1"),
        (["a", "b", "a"], "'a' is class 0 and 2"),
        (["x" * 500, "x" * 500], "once"),
        ([nested(5000)], "a list of texts"),
    ],
)
def test_a_class_list_of_a_checkpoint_that_is_none(names, message):
    with pytest.raises(ConfigError, match=message) as error:
        checked_class_names(names)
    assert "--class_names" in str(error.value) and "\n" not in str(error.value)


def test_a_checkpoint_need_not_name_its_classes():
    assert checked_class_names(None) is None
    assert checked_class_names([]) is None
    assert checked_class_names(["a", "b"]) == ("a", "b")
