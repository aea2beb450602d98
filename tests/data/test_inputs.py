import io
import os

import pytest

from configs.command.errors import DataError
from data.inputs import find_inputs


@pytest.fixture
def folder(tmp_path):
    for name in ("b.mp4", "a.avi", "notes.txt", "deep/c.webm", "deep/er/d [1].mp4"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "empty").mkdir()
    return tmp_path


class Pieces:
    """A stream that comes in pieces, as a pipe does; it counts those that it gave."""

    def __init__(self, pieces):
        self.pieces, self.given = iter(pieces), 0

    def read1(self, size):
        self.given += 1
        return next(self.pieces, b"")


def found(folder, *arguments, lines=()):
    names = [str(folder / a) if a != "-" else a for a in arguments]
    paths = find_inputs(names, Pieces(lines))
    return [os.path.relpath(path, folder) for path in paths]


def test_a_file_is_itself_and_order_is_kept(folder):
    asked = ["notes.txt", "b.mp4", "gone.mp4", "b.mp4"]
    assert found(folder, *asked) == asked


def test_a_folder_stands_for_the_videos_below_it(folder):
    below = ["a.avi", "b.mp4", "deep/c.webm", "deep/er/d [1].mp4"]
    assert found(folder, "") == below
    assert found(folder, "deep", "a.avi") == [*below[2:], "a.avi"]


def test_a_pattern_stands_for_the_files_that_it_fits(folder):
    assert found(folder, "*.*") == ["a.avi", "b.mp4", "notes.txt"]
    assert found(folder, "**/*.mp4") == ["b.mp4", "deep/er/d [1].mp4"]
    assert found(folder, "[xyz].mp4") == ["[xyz].mp4"]  # Whoever reads it says so.


def test_a_name_that_looks_like_a_pattern_is_a_name_first(folder):
    assert found(folder, "deep/er/d [1].mp4") == ["deep/er/d [1].mp4"]


def test_lines_are_names_whatever_they_hold(folder, monkeypatch):
    monkeypatch.chdir(folder)
    lines = [b"b.mp4\n", b"\n", b"*.avi\r\n", b"odd\xff.mp4\n", b"a.avi"]
    names = found(folder, "notes.txt", "-", lines=lines)
    assert names == [
        "notes.txt",
        "b.mp4",
        "*.avi",
        os.fsdecode(b"odd\xff.mp4"),
        "a.avi",
    ]


def test_nul_may_stand_behind_each_name(folder):
    for pieces in (
        [b"one\nname.mp4\0two.mp4\0"],
        [b"one\nname.mp4\0t", b"wo.mp4\0"],
        [b"one\nname.mp4\0two.mp4"],
    ):
        names = list(find_inputs(["-"], Pieces(pieces)))
        assert names == ["one\nname.mp4", "two.mp4"]
    with pytest.raises(DataError, match="or every path with NUL; received both"):
        list(find_inputs(["-"], Pieces([b"one\n", b"name.mp4\0two.mp4\0"])))


@pytest.mark.parametrize("end", [b"\n", b"\0", b"\r\n"])
def test_a_list_is_read_as_it_comes(end):
    """A path is known once its end is, wherever the list is cut."""
    pieces = [b"a", b".mp4" + end + b"b.m", b"p4" + end, b"c.mp4"]
    stream = Pieces(pieces)
    paths = find_inputs(["-"], stream)
    assert (next(paths), stream.given) == ("a.mp4", 2)
    assert (next(paths), stream.given) == ("b.mp4", 3)
    assert list(paths) == ["c.mp4"]
    content = b"".join(pieces)
    single = [content[i : i + 1] for i in range(len(content))]
    assert list(find_inputs(["-"], Pieces(single))) == ["a.mp4", "b.mp4", "c.mp4"]


def test_a_list_that_cannot_be_read_is_refused(tmp_path):
    with open(tmp_path / "written", "wb") as file:
        stream = io.BufferedReader(io.FileIO(file.fileno(), closefd=False))
        with pytest.raises(DataError, match=r"The list cannot be read: Bad file"):
            list(find_inputs(["-"], stream))


def test_links_that_lead_back_and_hidden_files_are_not_followed(folder):
    for name in ("back", "again"):
        (folder / "deep" / name).symlink_to("..")
    (folder / ".hidden.mp4").touch()
    (folder / ".cache").mkdir()
    (folder / ".cache/e.mp4").touch()
    assert found(folder, "**/*.mp4") == ["b.mp4", "deep/er/d [1].mp4"]
    assert found(folder, ".cache/*.mp4") == [".cache/e.mp4"]


def test_nothing_is_refused_and_an_empty_folder_is_told(folder, caplog):
    assert found(folder, "empty", "b.mp4") == ["b.mp4"]
    assert "empty holds no video" in caplog.text
    with pytest.raises(DataError, match="no video in .*empty"):
        found(folder, "empty")
    with pytest.raises(DataError, match="no video in -"):
        found(folder, "-", lines=[b"\n"])
