"""Values are text in a page, and what a template asks for must be there."""

import jinja2
import pytest

from storage.pages import jpeg_url, render


@pytest.fixture
def template(tmp_path):
    path = tmp_path / "page.html"
    path.write_text('{% include "part.css" %}<p title="{{ name | shown }}">{{ name }}')
    (tmp_path / "part.css").write_text("p { margin: 0 }\n")
    return path


def test_a_value_is_text_wherever_it_stands(template):
    page = render(template, name="\"'><script>&\u202e")
    text = "&#34;&#39;&gt;&lt;script&gt;&amp;"
    assert page == f'p {{ margin: 0 }}<p title="{text}\\u202e">{text}\u202e'


def test_a_missing_value_is_an_error(template):
    with pytest.raises(jinja2.UndefinedError, match="'name' is undefined"):
        render(template, names="")


def test_a_picture_is_part_of_its_address():
    assert jpeg_url(b"\xff\xd8\xff") == "data:image/jpeg;base64,/9j/"
