import typing

import pytest

from configs.command.errors import DataError
from configs.schema import Data
from data.scan import Video
from data.sources import SOURCES, open_source, scan_source


def test_the_table_has_every_value_of_the_option():
    assert set(SOURCES) == set(typing.get_args(typing.get_type_hints(Data)["source"]))


def test_source_of_files_is_opened_and_scanned(counting_set):
    source = open_source("ucf101", str(counting_set), 1)
    scanned = scan_source("ucf101", str(counting_set))

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


@pytest.mark.parametrize("name", SOURCES)
def test_absent_data_set_is_explained(name, tmp_path):
    with pytest.raises(DataError, match="ucf101|classInd"):
        open_source(name, str(tmp_path), 2)
    with pytest.raises(DataError, match="ucf101|classInd"):
        scan_source(name, str(tmp_path))
