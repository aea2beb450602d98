from pathlib import Path

import pytest

from configs.command.errors import DataError
from data.sources.class_lists import ClassList, labels_of, read_class_list
from data.sources.list_formats import Entry


@pytest.fixture
def write(tmp_path):
    def write(text, name):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


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
    assert read_class_list(write(text, name)).names == [
        "brush hair",
        "cart wheel",
        "run",
    ]


@pytest.mark.parametrize(
    ("text", "name"),
    [("a\nb\nA\n", "x.txt"), ("", "x.txt"), ("3", "x.json"), ('{"a": 5}', "x.json")],
)
def test_classes_that_are_none_are_refused(text, name, write):
    with pytest.raises(DataError, match="must name different classes"):
        read_class_list(write(text, name))


def test_names_that_begin_with_numbers_stay_whole(write):
    found = read_class_list(write("3 pointer\n4 wheeler\n", "x.txt"))
    assert found == ClassList(["3 pointer", "4 wheeler"])


@pytest.mark.parametrize(
    ("classes", "labels", "expected"),
    [
        ("1 x\n2 y\n3 z\n", "12", [0, 1]),
        ("x,1\ny,2\nz,3\n", "12", [0, 1]),
        ("1 x\n2 y\n3 z\n", "012", [0, 1, 2]),  # mmaction2's lists of UCF101
        ("0 x\n1 y\n2 z\n", "12", [1, 2]),
        ("x\ny\nz\n", "12", [1, 2]),
        ("x\ny\nz\n", "13", [0, 2]),
    ],
)
def test_labels_count_as_the_classes_are_numbered(classes, labels, expected, write):
    known = read_class_list(write(classes, "classes.txt"))
    assert labels_of([entries(*labels)], known) == (["x", "y", "z"], [expected])


def test_a_number_far_off_is_refused_at_once():
    with pytest.raises(DataError, match=r"\[2, 3, 4, 5, 6\] are not among 3 labels"):
        labels_of([entries("0", "1", "999999999")])


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
    found = labels_of([entries(*train), entries(*test)], known and ClassList(known))
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
        labels_of([entries(*train), entries(*test)], known and ClassList(known))
