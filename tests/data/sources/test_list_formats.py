import pytest

from configs.command.errors import DataError
from configs.schema import Data
from data.sources.list_formats import (
    check_lists,
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
        ("a/x.mp4,push, pull\na/y.mp4,run\n", "line 2 must have 3 columns, as line 1"),
        ("path,label,n\nx.mp4,a,1\ny.mp4,b\n", "line 3 must have 3 columns, as line 1"),
        ("label,youtube_id,time_start,time_end\n", "lists no video"),
        ("label,youtube_id,time_start,time_end\n,x,0,1\n", "line 2 must give a youtub"),
        (
            "label,youtube_id,time_start,time_end\na,,0,1\n",
            "line 2 must give a youtube",
        ),
        ("label,youtube_id,time_start,time_end\na,x,inf,1\n", "line 2: time_start and"),
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
