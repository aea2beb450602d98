"""Tables in CSV, as spreadsheets save them."""

import csv
import io

from configs.command.errors import DataError
from data.sources.names import read_list


def read_table(path, columns):
    """Yields (number of the line, values of the columns) of a CSV file with a header.

    Raises:
        DataError: it cannot be read, a column is missing, or a value is.
    """
    try:
        (_, header), *rows = read_rows(read_list(path)) or [(1, [])]
    except csv.Error as error:
        raise DataError(f"{path} must be CSV: {error}.") from None
    missing = [name for name in columns if name not in header]
    if missing:
        raise DataError(
            f"{path} must begin with the names of its columns, {','.join(columns)}; "
            f"received {','.join(header)!r}."
        )
    for number, fields in rows:
        if not any(fields):  # Spreadsheets leave such rows.
            continue
        row = dict(zip(header, fields, strict=False))
        values = [row.get(name) for name in columns]
        if not all(values):
            raise DataError(f"{path} line {number} must give {', '.join(columns)}.")
        yield number, values


def read_rows(text):
    """The rows of a CSV file: list of (number of the line, list of str).

    Columns may also be parted as spreadsheets do it in some countries, by semicolons,
    or by tabs.
    """
    header = text.partition("\n")[0]
    separator = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    return [(reader.line_num, fields) for fields in reader]


def write_rows(rows):
    """The text of a CSV file; what might be taken for the end of a line is quoted."""
    text = io.StringIO()
    plain = csv.writer(text, lineterminator="\n")
    quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows:
        (quoted if any("\r" in field for field in row) else plain).writerow(row)
    return text.getvalue()
