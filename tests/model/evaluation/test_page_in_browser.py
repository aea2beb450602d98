"""The page in a browser: what its script does, and what the browser objects to."""

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from configs.demo import config
from model.evaluation.page import evaluation_page
from tests.model.evaluation.synthetic import synthetic
from tests.model.evaluation.test_page import MARKUP, SCRIPT

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(not BROWSER, reason="no chromium is installed")

NAMES = (*MARKUP, "Jump", "JumpRope")
# What a reader does, and what is then seen; the answer is left in an element.
ACTS = """
const seen = (selector) => [...document.querySelectorAll(selector)]
  .filter((e) => e.getClientRects().length).map((e) => e.cells
    ? [...e.cells].map((c) => c.textContent.trim()) : e.dataset.classes);
const type = (text) => {
  search.value = text;
  search.dispatchEvent(new Event("input"));
};
const press = (table, column) =>
  document.querySelectorAll("table.sortable")[table]
    .tHead.rows[0].cells[column].querySelector("button").click();
// Without a pause: the browser is asked for the page as soon as nothing is to come.
window.addEventListener("load", () => {
  const pictures = [...document.images];
  const answer = {
    title: document.title,
    widths: pictures.map((p) => p.naturalWidth / p.naturalHeight),
    shown: pictures.map((p) => p.width / p.parentElement.clientWidth),
    moves: pictures.map((p) => getComputedStyle(p).animationTimingFunction),
    first: seen("tr.class"),
  };
  press(0, 0);
  answer.byName = seen("tr.class");
  press(0, 1);
  press(0, 2);
  answer.byAccuracy = seen("tr.class");
  press(0, 2);
  answer.byAccuracyDown = seen("tr.class");
  answer.sorted = document.querySelectorAll("[aria-sort]").length;
  type("jump");
  answer.exactly = seen("tr.class");
  answer.figures = seen("figure");
  type("jum");
  answer.part = seen("tr.class");
  answer.found = document.getElementById("found").textContent;
  type(SCRIPT);
  answer.script = seen("tr.class");
  type("");
  answer.all = seen("tr.class");
  answer.wide = document.documentElement.scrollWidth;
  const pre = document.createElement("pre");
  pre.id = "answer";
  pre.textContent = JSON.stringify(answer);
  document.body.append(pre);
});
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page of classes whose names a careless page would run."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    parts = synthetic(NAMES, 70, right=0.6, top1_interval=[0.4, 0.8])
    path.write_text(evaluation_page(path, *parts, config()), encoding="utf-8")
    return path


def browse(path, folder):
    """Opens a page in 390 x 800 pixels; returns its elements then, and the console."""
    command = [
        *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu"),
        *("--disable-dev-shm-usage", "--mute-audio"),
        *("--no-first-run", "--disable-extensions", f"--user-data-dir={folder}"),
        *("--window-size=390,800", "--virtual-time-budget=2000", "--dump-dom"),
        *("--enable-logging=stderr", path.as_uri()),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr[-2000:]
    console = [line for line in ended.stderr.splitlines() if "CONSOLE" in line]
    return ended.stdout, console


def test_a_reader_sorts_and_filters_and_nothing_else_runs(page, tmp_path):
    script = ACTS.replace("SCRIPT", json.dumps(SCRIPT).replace("</", "<\\/"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = page.read_text(encoding="utf-8")
    text = text.replace("script-src ", f"script-src 'sha256-{digest}' ")
    text = text.replace("</body>", f"<script>{script}</script></body>")
    acted = tmp_path / "acted.html"
    acted.write_text(text, encoding="utf-8")

    elements, console = browse(acted, tmp_path / "browser")

    assert not console
    answer = re.search(r'<pre id="answer">(.*?)</pre>', elements, re.DOTALL)[1]
    answer = json.loads(html.unescape(answer))
    assert answer["title"].startswith("page")  # And not what a name would make it.
    assert len(answer["widths"]) > 10 and set(answer["widths"]) == {8}
    assert np.abs(np.array(answer["shown"]) - 8).max() < 0.1
    assert set(answer["moves"]) == {"steps(8)"}
    first = answer["first"]
    assert sorted(row[0] for row in first) == sorted(NAMES)
    fractions = [float(row[2].rstrip("\xa0%")) for row in first]
    assert fractions == sorted(fractions) and len(set(fractions)) > 2

    names = [row[0] for row in answer["byName"]]
    assert names.index("Jump") + 1 == names.index("JumpRope")
    assert sorted(names) == sorted(NAMES)
    ascending = [float(row[2].rstrip("\xa0%")) for row in answer["byAccuracy"]]
    descending = [float(row[2].rstrip("\xa0%")) for row in answer["byAccuracyDown"]]
    assert ascending == fractions and descending == fractions[::-1]
    assert answer["sorted"] == 1

    assert [row[0] for row in answer["exactly"]] == ["Jump"]
    assert all("Jump" in pair.split("\n") for pair in answer["figures"])
    assert [row[0] for row in answer["part"]] and answer["found"] == "2 of 7 classes"
    assert {row[0] for row in answer["part"]} == {"Jump", "JumpRope"}
    assert [row[0] for row in answer["script"]] == [SCRIPT]
    assert len(answer["all"]) == len(NAMES)
    assert answer["wide"] <= 500  # Nothing makes the page scroll to the side.


def test_the_browser_objects_to_nothing_and_runs_no_other_script(page, tmp_path):
    elements, console = browse(page, tmp_path / "browser")
    assert not console
    assert "<button" in elements  # Its own script has run.
    foreign = tmp_path / "foreign.html"
    text = page.read_text(encoding="utf-8")
    foreign.write_text(text.replace("</body>", f"{SCRIPT}</body>"), encoding="utf-8")
    elements, console = browse(foreign, tmp_path / "browser")
    assert "<title>page" in elements
    assert any("Content Security Policy" in line for line in console)
