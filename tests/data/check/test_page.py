import shutil

import pytest

from configs.schema import Data
from data.check.facts import facts_of
from data.check.page import write_page
from data.sources import open_source
from tests.parsed_page import Page

NAME = "<script>alert('x')<& \u202e"


@pytest.fixture
def page(counting_set, tmp_path):
    videos = shutil.copytree(counting_set / "UCF-101", tmp_path / "videos")
    (videos / "Run").rename(videos / NAME)
    (videos / "Jump" / "bad.avi").write_bytes(b"no video")
    data = Data(source="folder", root=str(videos), validation="split")
    source = open_source(data)
    return Page(write_page(source, data, facts_of(source, data), NAME))


def test_names_are_text_and_tags_are_closed(page):
    assert not page.open
    assert "script" not in page.tags
    shown = NAME.replace("\u202e", r"\u202e")
    assert page.texts.count(shown) == 4  # Title, heading, table, heading of the class.


def test_every_class_has_pictures_and_nothing_comes_from_elsewhere(page):
    assert len(page.pictures) == 12
    assert all(src.startswith("data:image/jpeg;base64,/9j/") for src in page.pictures)
    assert not {"link", "iframe"} & set(page.tags)


def test_findings_are_listed(page):
    assert "bad" in page.texts
    assert any("bad.avi' (" in text for text in page.texts)
