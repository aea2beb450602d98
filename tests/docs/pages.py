"""README.md and docs/*.md taken apart: blocks of code, code in sentences, links.

Blocks of code are of three kinds: `bash` holds commands, one a line; `text` holds
anything else, such as what a command prints; `python` holds an example.
"""

import dataclasses
import functools
import re
import shlex
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
README = REPOSITORY / "README.md"
# In the order in which README links them.
PAGES = [
    README,
    *sorted(
        (REPOSITORY / "docs").glob("*.md"),
        key=lambda page: README.read_text().find(f"(docs/{page.name})"),
    ),
]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block of code; `follows` if only space parts it from the one before."""

    language: str
    text: str
    follows: bool

    @property
    def commands(self):
        """The commands of a bash block, each on one line and without its comment."""
        if self.language != "bash":
            return []
        lines = re.sub(r"\\\n\s*", " ", self.text).splitlines()
        commands = (shlex.join(shlex.split(line, comments=True)) for line in lines)
        return [command for command in commands if command]


@functools.cache
def parse_page(page):
    """The blocks of a page, and the page without them."""
    found, text, end = [], page.read_text(), -1
    fence = re.compile(r"^( *)```(.*)\n((?:.*\n)*?)\1```$", re.MULTILINE)
    for match in fence.finditer(text):
        body = re.sub(rf"^{match[1]}", "", match[3], flags=re.MULTILINE)
        follows = end >= 0 and not text[end : match.start()].strip()
        found.append(Block(match[2], body, follows))
        end = match.end()
    return found, fence.sub("", text)


def blocks(page):
    """The blocks of code of a page."""
    return parse_page(page)[0]


def sentences(page):
    """A page without its blocks of code."""
    return parse_page(page)[1]


def commands(page):
    """The commands in the blocks of a page."""
    return [command for block in blocks(page) for command in block.commands]


def spans(page):
    """The pieces of code in the sentences and tables of a page."""
    found = re.findall(r"`([^`]+)`", sentences(page))
    return [re.sub(r"\s+", " ", span).strip() for span in found]


def links(page):
    """The targets of the links and images of a page that are not addresses."""
    text = sentences(page)
    targets = re.findall(r"\]\(([^)\s]+)[^)]*\)", text)
    targets += re.findall(r"""(?:src|href)=["']([^"']+)["']""", text)
    return [target for target in targets if not re.match(r"\w+:", target)]


def anchors(page):
    """The anchors that GitHub makes of a page's headings."""
    found = []
    for heading in re.findall(r"^#+ +(.+)$", sentences(page), re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        found.append(f"{anchor}-{found.count(anchor)}" if anchor in found else anchor)
    return found


def table(page, columns):
    """The rows of the tables with so many columns, as lists of cells."""
    rows = []
    for line in sentences(page).splitlines():
        cells = [cell.strip() for cell in line.strip().removeprefix("|").split("|")]
        if line.startswith("|") and len(cells) == columns + 1:
            rows.append(cells[:-1])
    return rows
