import json
import re

from benchmarks import what_fits
from configs.schema import video_swin
from model.video_swin.memory import peak_bytes


def test_the_table_has_a_row_for_each_variant_precision_and_recomputation():
    head, rule, *rows = what_fits.table()
    assert head.count("|") == rule.count("|") == 8
    assert len(rows) == 3 * 2 * 3
    for row in rows:
        counts = [int(cell) for cell in re.findall(r"(?<=\| )\d+(?= \|)", row)]
        assert len(counts) == 4
        assert counts == sorted(counts)


def test_the_table_in_the_docs_is_this_one(repository):
    text = (repository / "docs" / "measurements.md").read_text()
    assert "\n".join(what_fits.table()) in text


def test_a_check_ends_with_the_largest_error(monkeypatch, capsys):
    monkeypatch.setattr(what_fits, "CLIPS", ((8, 64),))
    monkeypatch.setattr(what_fits, "count_gpus", lambda: 1)

    def measured(variant, recompute, **case):
        model = video_swin(variant, recompute=recompute)
        estimate = peak_bytes(model, 101, clips=1, **case)
        return estimate * (2 if case["precision"] == "mixed_float16" else 1)

    monkeypatch.setattr(what_fits, "measure", measured)
    what_fits.check(["tiny"])
    *lines, last = capsys.readouterr().out.splitlines()
    assert len(lines) == 9
    assert json.loads(last) == {"largest_error": 0.5}
