"""The base of every section of the schema: options that carry their own rules."""

import dataclasses
import math
import typing
from typing import ClassVar

from configs.command.errors import ConfigError
from configs.schema.paths import check_utf8, expand_path
from configs.schema.types import describe, matches


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bounds:
    """The interval that a number, or each number of a tuple, must lie in.

    Attributes:
        at_least, above: lower end, included or not; at most one of them is set.
        at_most, below: upper end, included or not; at most one of them is set.
    """

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def __str__(self):
        """The rule in words that follow "must be": "at least 1", "in [0, 1)"."""
        low = self.at_least if self.above is None else self.above
        high = self.at_most if self.below is None else self.below
        if low is not None and high is not None:
            opening = "[" if self.above is None else "("
            closing = "]" if self.below is None else ")"
            return f"in {opening}{low}, {high}{closing}"
        words = {name.replace("_", " "): value for name, value in vars(self).items()}
        return " and ".join(f"{k} {v}" for k, v in words.items() if v is not None)

    def allows(self, value):
        """Whether a value lies in the interval; whatever is no number does."""
        if isinstance(value, tuple):
            return all(map(self.allows, value))
        if not _is_number(value):
            return True
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )


def option(
    default, text, *, may_change=False, was_default=False, is_path=False, **bounds
):
    """A dataclass field with everything that is to be known about it.

    Args:
        default: its value where neither experiment nor command line says another.
        text: the help text.
        may_change: whether a run that has begun may be continued with another value.
            Only options that leave the training stream and the updates as they are:
            where files lie, what is kept, the devices, when a run gives up, and the
            views of its evaluation.
        was_default: whether versions that did not have it did what its default says, so
            that a run of theirs goes on.
        is_path: whether it is a path, or an address: ~ is then the home folder.
        **bounds: the fields of `Bounds`.
    """
    metadata = {
        "help": text,
        "may_change": may_change,
        "was_default": was_default,
        "is_path": is_path,
        "bounds": Bounds(**bounds),
    }
    return dataclasses.field(default=default, metadata=metadata)


def require(holds, field, must, received):
    """Raises ConfigError unless `holds`, naming the field, the rule and the value."""
    if not holds:
        raise ConfigError(f"{field} must {must}; received {received!r}.")


class Section:
    """A dataclass whose options are checked: each by its own rules, then together."""

    prefix: ClassVar[str] = ""

    def __post_init__(self):
        """Raises ConfigError unless every rule holds."""
        kinds = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            kind, value = kinds[field.name], getattr(self, field.name)
            if dataclasses.is_dataclass(kind):
                require(
                    isinstance(value, kind), field.name, f"be a {kind.__name__}", value
                )
                continue
            name = self.prefix + field.name
            require(matches(value, kind), name, f"be {describe(kind)}", value)
            require(_is_finite(value), name, "be finite", value)
            bounds = field.metadata["bounds"]
            require(bounds.allows(value), name, f"be {bounds}", value)
            if field.metadata["is_path"]:
                check_utf8(value, name)  # config.json is.
                object.__setattr__(self, field.name, expand_path(value, name))
        self.validate()

    def validate(self):
        """Raises ConfigError where options that are valid alone do not go together."""


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_finite(value):
    """Whether a number, or each number of a tuple, is neither infinite nor NaN."""
    if isinstance(value, tuple):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def options(section, prefix=""):
    """All options of a section and the sections in it.

    Args:
        section: a subclass of `Section`.
        prefix: of their names.

    Yields:
        (dotted name, type, dataclass field) such as ("data.size", int, …).
    """
    kinds = typing.get_type_hints(section)
    for field in dataclasses.fields(section):
        kind, name = kinds[field.name], prefix + field.name
        if dataclasses.is_dataclass(kind):
            yield from options(kind, f"{name}.")
        else:
            yield name, kind, field
