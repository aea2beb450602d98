from pathlib import Path

import pytest

from configs.command.errors import DataError
from configs.schema import Data
from data.sources.lists import (
    Entry,
    check_lists,
    labels_of,
    read_class_list,
    read_video_list,
)

# Each form with two videos, and how it is told.
FORMS = {
    "mmaction2": ("a/x.mp4 0\na/y.mp4 1\n", "path and label, blanks"),
    "blanks inside": ("my a/x 1.mp4 0\nmy a/y.mp4  1\n", "path and label, blanks"),
    "commas": ("a/x.mp4,0\na/y.mp4, 1\n", "path and label, commas"),
    "quotes": ('"a/x, 1.mp4",0\n"a/y.mp4",1\n', "path and label, commas"),
    "semicolons": ("a/x.mp4;0\na/y.mp4;1\n", "path and label, semicolons"),
    "tabs": ("a/x.mp4\t0\na/y.mp4\t1\n", "path and label, tabs"),
    "label first": ("0,a/x.mp4\n1,a/y.mp4\n", "label and path, commas"),
    "header": ("Video_Path,fps,Label\na/x.mp4,25,0\na/y.mp4,30,1\n", "columns video_"),
    "Windows": ("a/x.mp4 0\r\n\r\na/y.mp4 1\r\n", "path and label, blanks"),
    "commas in paths": ("a/x,1.mp4 0\na/y,2.mp4 1\n", "path and label, blanks"),
    "no endings": ("a/x 0\na/y 1\n", "path and label, blanks"),
    "names": ("a/x.mp4 brush hair\na/y.mp4 cart,wheel\n", "path and label, blanks"),
    "folders": ("brush/x.mp4\ncart/y.mp4\n", "paths, whose folders are the classes"),
}
LABELS = {"names": ["brush hair", "cart,wheel"], "folders": ["brush", "cart"]}
PATHS = {
    "blanks inside": ["my a/x 1.mp4", "my a/y.mp4"],
    "quotes": ["a/x, 1.mp4", "a/y.mp4"],
    "commas in paths": ["a/x,1.mp4", "a/y,2.mp4"],
    "no endings": ["a/x", "a/y"],
    "folders": ["brush/x.mp4", "cart/y.mp4"],
}


@pytest.fixture
def write(tmp_path):
    def write(text, name="list.txt"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_read_and_told(form, write, caplog):
    caplog.set_level("INFO")
    text, told = FORMS[form]
    videos = read_video_list(write(text))
    assert [e.path for e in videos.entries] == PATHS.get(form, ["a/x.mp4", "a/y.mp4"])
    assert [e.label for e in videos.entries] == LABELS.get(form, ["0", "1"])
    assert videos.names_files
    assert f"2 videos ({told}" in caplog.text


def test_kinetics_is_read_as_it_is_published(write):
    """The header and first rows are those of kinetics400/train.csv."""
    videos = read_video_list(
        write(
            "label,youtube_id,time_start,time_end,split,is_cc\n"
            "testifying,---QUuC4vJs,84,94,train,0\n"
            '"playing ""cymbals""",-2VKVjgNuE0,10.0,20.0,train,0\n'
        )
    )
    assert not videos.names_files
    assert [(e.path, e.label, e.number) for e in videos.entries] == [
        ("---QUuC4vJs_000084_000094", "testifying", 2),
        ("-2VKVjgNuE0_000010_000020", 'playing "cymbals"', 3),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lists no video"),
        ("path,label\n", "lists no video"),
        ("a/x.mp4 1 2\na/y.mp4 0\n", "line 1 must give a video and one label"),
        ("some/x 300 1\nsome/y 250 0\n", "line 1 must give a video and one label"),
        ("a/x.mp4 1\na/y.mp4\n", r"line 2 has no label, as 1 of 2 lines"),
        ("x.mp4\ny.mp4\n", "line 1 must give a label, or a path whose folder"),
        ("x.mp4,a,b\ny.mp4,a,b\n", "must have two columns.*received 'x.mp4,a,b'"),
        ("path,label\nx.mp4,a\ny.mp4,\n", "line 3 must give a path and a label"),
        ("youtube_id,time_start,time_end\nx,1,2\n", "must have a column label"),
        ("label,youtube_id,time_start,time_end\na,x,one,2\n", "line 2.*be seconds"),
    ],
)
def test_a_list_of_another_form_is_refused(text, message, write):
    with pytest.raises(DataError, match=message):
        read_video_list(write(text))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("brush hair\ncart wheel\nrun\n", "classes.txt"),
        ("1 brush hair\n2 cart wheel\n3 run\n", "classInd.txt"),
        ("0 brush hair\n2 run\n1 cart wheel\n", "classes.txt"),
        ("id,name\n0,brush hair\n1,cart wheel\n2,run\n", "classes.csv"),
        ("name,id\nbrush hair,0\ncart wheel,1\nrun,2\n", "classes.csv"),
        ('["brush hair", "cart wheel", "run"]', "classes.json"),
        ('{"brush hair": 0, "run": 2, "\\"cart wheel\\"": 1}', "classes.json"),
    ],
)
def test_classes_are_read_in_each_form(text, name, write):
    assert read_class_list(write(text, name)) == ["brush hair", "cart wheel", "run"]


@pytest.mark.parametrize(
    ("text", "name"),
    [("a\nb\nA\n", "x.txt"), ("", "x.txt"), ("3", "x.json"), ('{"a": 5}', "x.json")],
)
def test_classes_that_are_none_are_refused(text, name, write):
    with pytest.raises(DataError, match="must name different classes"):
        read_class_list(write(text, name))


def test_names_that_begin_with_numbers_stay_whole(write):
    assert read_class_list(write("3 pointer\n4 wheeler\n")) == [
        "3 pointer",
        "4 wheeler",
    ]


def entries(*labels):
    return [
        Entry(Path("list"), n, f"{n}.mp4", label) for n, label in enumerate(labels, 1)
    ]


@pytest.mark.parametrize(
    ("train", "test", "known", "names", "labels"),
    [
        ("0120", "1", None, ["0", "1", "2"], [[0, 1, 2, 0], [1]]),
        ("1231", "2", None, ["1", "2", "3"], [[0, 1, 2, 0], [1]]),
        ("ba", "b", None, ["a", "b"], [[1, 0], [1]]),
        ("01", "1", ["x", "y", "z"], ["x", "y", "z"], [[0, 1], [1]]),
        ("13", "2", ["x", "y", "z"], ["x", "y", "z"], [[0, 2], [1]]),
        ("12", "2", ["x", "y", "z"], ["x", "y", "z"], [[1, 2], [2]]),
        ("zx", "Y", ["x", "y", "z"], ["x", "y", "z"], [[2, 0], [1]]),
        ("", "02", ["x", "y", "z"], ["x", "y", "z"], [[], [0, 2]]),
        ("", "ba", None, ["a", "b"], [[], [1, 0]]),
    ],
)
def test_labels_are_numbers_or_names(train, test, known, names, labels):
    found = labels_of([entries(*train), entries(*test)], known)
    assert found == (names, labels)


def test_names_may_have_their_accents_apart():
    composed, apart = "Café", "Cafe\N{COMBINING ACUTE ACCENT}"
    names, labels = labels_of([entries(apart, "b", composed), entries(composed)])
    assert (names, labels) == (["Café", "b"], [[0, 1, 0], [0]])


@pytest.mark.parametrize(
    ("train", "test", "known", "message"),
    [
        ("02", "", None, r"without gaps.*\[1\] are not among 2 labels up to 2"),
        ("01", "2", None, r"\[2\] are not among 2 labels up to 2"),
        ("ab", "c", None, "line 1: 'c' is none of the 2 classes"),
        ("03", "", ["x", "y", "z"], "label 3 is none of the 3 classes"),
    ],
)
def test_labels_of_no_class_are_refused(train, test, known, message):
    with pytest.raises(DataError, match=message):
        labels_of([entries(*train), entries(*test)], known)


def test_a_glance_finds_what_is_missing(write, tmp_path):
    path = str(write("a/x.mp4 0\n"))
    data = Data(source="list", root=str(tmp_path), train_list=path, test_list=path)
    check_lists(data)
    for changes, message in (
        ({"root": path}, "data.root must be a directory"),
        ({"test_list": f"{path}2"}, "data.test_list must be a file"),
        ({"class_list": str(tmp_path)}, "data.class_list must be a file"),
    ):
        with pytest.raises(DataError, match=message):
            check_lists(Data(**{**vars(data), **changes}))
