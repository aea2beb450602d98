"""The types that an option may have: how values are described, checked and read.

bool, int, float, str, `Literal[...]`, `X | None`, `tuple[X, Y]` and `tuple[X, ...]`.
"""

import types
import typing


def describe(kind):
    """The values of `kind` in words, as error messages and `--help` show them."""
    arguments = typing.get_args(kind)
    match typing.get_origin(kind):
        case typing.Literal:
            return "one of " + ", ".join(str(value) for value in arguments)
        case types.UnionType | typing.Union:
            return f"{describe(arguments[0])} or none"
        case builtin if builtin is tuple:
            names = [describe(a) for a in arguments if a is not Ellipsis]
            dots = ["..."] if Ellipsis in arguments else []
            return ",".join(names + dots) + " (separated by commas)"
    return {bool: "true or false", int: "an integer", float: "a number"}.get(
        kind, "a string"
    )


def matches(value, kind):
    """Whether `value` is of `kind`; an int is a float, a bool is neither."""
    arguments = typing.get_args(kind)
    match typing.get_origin(kind):
        case typing.Literal:
            return value in arguments and type(value) in map(type, arguments)
        case types.UnionType | typing.Union:
            return value is None or matches(value, arguments[0])
        case builtin if builtin is tuple:
            return isinstance(value, tuple) and _all_match(value, arguments)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def parse(text, kind):
    """The value of `kind` that `text` spells.

    Raises:
        ValueError: `text` spells no such value.
    """
    arguments = typing.get_args(kind)
    match typing.get_origin(kind):
        case typing.Literal:
            return {str(value): value for value in arguments}[text]
        case types.UnionType | typing.Union:
            return None if text.lower() == "none" else parse(text, arguments[0])
        case builtin if builtin is tuple:
            return _parse_tuple(text, arguments)
    if kind is bool:
        return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
    return kind(text)


def _all_match(values, arguments):
    if Ellipsis in arguments:
        return all(matches(value, arguments[0]) for value in values)
    return len(values) == len(arguments) and all(map(matches, values, arguments))


def _parse_tuple(text, arguments):
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    if Ellipsis in arguments:
        return tuple(parse(part, arguments[0]) for part in parts)
    if len(parts) != len(arguments):
        raise ValueError(text)
    return tuple(map(parse, parts, arguments))
