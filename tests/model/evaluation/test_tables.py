"""Cells that spreadsheets run are marked; `test_report.py` reads whole files back."""

from model.evaluation.tables import as_cell, csv_text


def test_a_number_below_zero_is_no_formula():
    rows = [["-1.5", as_cell("-1.5"), -1.5, -2]]
    assert csv_text(rows) == '"-1.5","\'-1.5",-1.5,-2\r\n'


def test_names_are_marked_only_where_they_must_be():
    names = ("=1", "'a'", "a=1", "", "\t", "Jump")
    assert [as_cell(name) for name in names] == [
        *("'=1", "''a'", "a=1", "", "'\t", "Jump")
    ]
