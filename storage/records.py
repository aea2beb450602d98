"""JSON of ours, checked against the type that it must have when it is read.

A type is a frozen dataclass whose fields say what they may hold, for instance
`Annotated[int, msgspec.Meta(ge=0)]`; fields that it does not know are passed over.
"""

import functools
from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0)]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
Text = Annotated[str, msgspec.Meta(min_length=1)]


def decode(data, form):
    """Reads JSON as a type.

    Args:
        data: the JSON as text or as UTF-8 bytes. NaN and infinities are not JSON.
        form: the type.

    Returns:
        A value of the type.

    Raises:
        ValueError: the JSON is damaged, too deep, or says something else; one line,
            which names the field, as in "Expected `int`, got `str` - at `$.frames`".
    """
    try:
        if isinstance(data, bytes):
            data = data.decode()  # The library skips what it does not look at.
        return _decoder(form).decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None


@functools.cache
def _decoder(form):
    """A decoder, which takes five times as long to make as to read a row with it."""
    return msgspec.json.Decoder(form)


def check(value, form):
    """Checks a value that was read already, for instance because it may hold NaN.

    Args:
        value: of dicts, lists, strings and numbers.
        form: the type.

    Raises:
        ValueError: it is not of the type; one line, which names the field.
    """
    try:
        msgspec.convert(value, form)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from None
