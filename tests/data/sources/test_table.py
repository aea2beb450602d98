import importlib
import typing

import pytest

from configs.command.errors import DataError
from configs.schema import Data
from data.scan import Video
from data.sources import SOURCES, check_root, open_source, scan_source

ABSENT = "ucf101|classInd|test_split|labels.json|class folders|gone|index.json"


def test_the_table_has_every_value_of_the_option():
    assert set(SOURCES) == set(typing.get_args(typing.get_type_hints(Data)["source"]))


def test_the_table_names_functions_that_there_are():
    for kind in SOURCES.values():
        for name in filter(None, (kind.check, kind.open, kind.scan)):
            module, function = name.split(":")
            assert callable(getattr(importlib.import_module(module), function))


def test_source_of_files_is_opened_and_scanned(counting_set):
    data = Data(root=str(counting_set))
    source = open_source(data)
    scanned = scan_source(data)

    assert source.listing.train_size == 11
    assert scanned == list(zip(source.listing.names, source.videos, strict=True))
    assert scanned[0] == (
        "Jump/v_Jump_g02_c01.avi",
        Video(
            frames=16,
            height=24,
            width=32,
            decoded_height=24,
            decoded_width=32,
            fps=25.0,
            codec="MJPG",
            header_frames=16,
        ),
    )


def test_a_folder_is_scanned_whole_and_no_split_is_drawn(counting_set):
    videos = counting_set / "UCF-101"
    scanned = scan_source(Data(source="folder", root=str(videos)))
    assert len(scanned) == 15
    assert not any(video.reason for _, video in scanned)
    assert not (videos / "split.csv").exists()


@pytest.mark.parametrize("name", SOURCES)
def test_absent_data_set_is_explained(name, tmp_path):
    lists = {"train_list": str(tmp_path / "gone.txt")} if name == "list" else {}
    data = Data(source=name, root=str(tmp_path), split=2, flip=False, **lists)
    with pytest.raises(DataError, match=ABSENT):
        open_source(data)
    with pytest.raises(DataError, match=ABSENT):
        scan_source(data)


@pytest.mark.parametrize("root", ["", "gone"])
@pytest.mark.parametrize(
    "name", ["ucf101", "hmdb51", "something-something-v2", "folder"]
)
def test_a_glance_refuses_a_root_that_is_none(name, root, tmp_path):
    root = root and str(tmp_path / root)
    with pytest.raises(DataError, match="data.root must"):
        check_root(Data(source=name, root=root, flip=False))
