"""Rows as CSV of which no cell is a formula, whatever the names in it are."""

import csv
import io

# What makes a spreadsheet take a cell for a formula when it is the first character
# (OWASP, "CSV Injection"; the last four are the wide forms of East Asian keyboards).
FORMULA = tuple("=+-@\t\r\n＝＋－＠")
MARK = "'"  # in front of such a cell, and of one that begins with it


def as_cell(name):
    """A name as a cell of a CSV file that no spreadsheet takes for a formula.

    A cell that begins with an apostrophe is the name without it; any other cell is the
    name itself.
    """
    return MARK + name if name.startswith((*FORMULA, MARK)) else name


def csv_line(row):
    """A row as CSV without an end of line; every text is quoted, whatever it holds."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="")
    writer.writerow(row)
    return text.getvalue()


def csv_text(rows):
    """Rows as the content of a file."""
    return "".join(f"{csv_line(row)}\r\n" for row in rows)
