"""Links, pictures and names in README.md and docs/ are those of what is there."""

import ast
import functools
import os
import re
from pathlib import Path

from configs.command.errors import Interrupted, RunError
from configs.schema import Experiment
from configs.schema.section import options
from tests.docs.pages import (
    PAGES,
    README,
    REPOSITORY,
    anchors,
    blocks,
    each_page,
    links,
    sentences,
    spans,
    table,
)
from tests.test_architecture import ENTRY_POINTS, PACKAGES, ROOMS

OPTIONS = {name for name, _, _ in options(Experiment)}
FILES_OF_RUNS = re.compile(r"\.(jsonl?|csv|png|npz|pth)$")


@each_page
def test_links_point_to_something(page):
    assert links(page)
    for target in links(page):
        path, _, anchor = target.partition("#")
        found = Path(os.path.normpath(page.parent / path)) if path else page
        assert found.exists() and found.is_relative_to(REPOSITORY), target
        assert not anchor or anchor in anchors(found), target


def test_every_page_can_be_reached_from_readme():
    linked = {(REPOSITORY / target).resolve() for target in links(README)}
    assert set(PAGES[1:]) <= linked
    assert all("../README.md" in links(page) for page in PAGES[1:])


def test_pictures_are_shown_with_words_and_small():
    pictures = set((REPOSITORY / "docs" / "images").iterdir())
    shown = {
        (page.parent / target).resolve() for page in PAGES for target in links(page)
    }
    assert pictures and pictures <= shown
    assert sum(picture.stat().st_size for picture in pictures) < 100 * 1024
    assert not any("![](" in sentences(page) for page in PAGES)


@each_page
def test_rows_stand_in_tables(page):
    """A row after a paragraph is shown as text."""
    for rows in re.findall(r"(?:^\|.*\n)+", sentences(page), re.MULTILINE):
        assert re.search(r"^.*\n\|[-:|]+\|\n", rows), rows


def test_readme_is_short():
    assert README.read_text().count("\n") < 150


def resolves(name):
    """Whether a dotted name is a module of ours, or something that one defines."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        path = REPOSITORY.joinpath(*parts[:length])
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if file.is_file():
            return defines(ast.parse(file.read_text()).body, parts[length:])
    return False


def defines(body, names):
    """Whether statements define a name and, within it, the names that follow."""
    if not names:
        return True
    for node in body:
        if names[0] in defined_by(node):
            return len(names) == 1 or defines(getattr(node, "body", []), names[1:])
    return False


def defined_by(node):
    """The names that a statement defines."""
    match node:
        case ast.ClassDef() | ast.FunctionDef():
            return {node.name}
        case ast.Import() | ast.ImportFrom():
            return {alias.asname or alias.name for alias in node.names}
        case ast.Assign():
            return {getattr(target, "id", None) for target in node.targets}
        case ast.AnnAssign():
            return {getattr(node.target, "id", None)}
    return set()


@functools.cache
def words_of_the_code():
    """Every word of the code, and so of what it writes."""
    paths = [REPOSITORY / name for name in ENTRY_POINTS]
    for package in (*PACKAGES, "benchmarks"):
        paths += (REPOSITORY / package).rglob("*.py")
    paths += [path for path in (REPOSITORY / "launch").iterdir() if path.is_file()]
    return set(re.findall(r"\w+", " ".join(path.read_text() for path in paths)))


def exists(span, words):
    """Whether a piece of code in a sentence names something; True if it is no name.

    Args:
        span: a path, a dotted name, an option or a single word.
        words: that are known.
    """
    first = re.split(r"[./]", span)[0]
    tops = {path.name for path in REPOSITORY.iterdir()} - {"runs"}
    ours = {*PACKAGES, *(name.partition(".")[0] for name in (*OPTIONS, *ENTRY_POINTS))}
    if re.fullmatch(r"[\w./-]+", span) and "/" in span and first in tops:
        path = REPOSITORY / span
        return path.exists() or path.with_suffix(".py").exists()
    if re.fullmatch(r"\w+\.py", span):
        return span in tops | words
    if re.fullmatch(r"\w+(\.\w+)+", span) and first in ours:
        return span in OPTIONS or FILES_OF_RUNS.search(span) or resolves(span)
    if re.fullmatch(r"[A-Za-z_]\w*", span) and re.search(r"_|[a-z][A-Z]", span):
        return span in tops | words
    return True


@each_page
def test_names_exist(page):
    examples = " ".join(b.text for b in blocks(page) if b.language != "text")
    words = words_of_the_code() | set(re.findall(r"[\w.]+", examples))
    for span in spans(page):
        assert exists(span, words), span


def test_layout_names_every_room_and_what_it_may_import():
    rows = table(REPOSITORY / "docs" / "layout.md", columns=3)
    said = {
        name.strip("`"): set(re.findall(r"`(\w+)`", others))
        for name, _, others in rows
        if name.startswith("`")
    }
    rooms = {
        f"{package}/{room}": set(others) - {"__init__"}
        for package, inside in ROOMS.items()
        for room, others in inside.items()
    }
    assert said == PACKAGES | rooms


def test_exit_codes_are_those_of_the_errors():
    rows = table(REPOSITORY / "docs" / "reliability.md", columns=2)
    codes = {int(code) for code, _ in rows if code.isdecimal()}
    errors = {Interrupted, *RunError.__subclasses__()}
    assert codes == {0, 1} | {error.exit_code for error in errors}
    sentence = re.search(r"Exit codes: [^.]*\.", README.read_text())[0]
    assert {int(code) for code in re.findall(r"\b\d+\b", sentence)} == codes
