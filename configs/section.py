"""The base of every section of the schema: fields with help that check themselves."""

import dataclasses
import typing
from typing import ClassVar

from configs.errors import ConfigError
from configs.types import describe, matches


def option(default, text):
    """A dataclass field with its help text."""
    return dataclasses.field(default=default, metadata={"help": text})


def require(holds, field, must, received):
    """Raises ConfigError unless `holds`, naming the field, the rule and the value."""
    if not holds:
        raise ConfigError(f"{field} must {must}; received {received!r}.")


class Section:
    """A dataclass whose fields are checked: each against its type, then together."""

    prefix: ClassVar[str] = ""

    def __post_init__(self):
        for name, kind in typing.get_type_hints(type(self)).items():
            if typing.get_origin(kind) is ClassVar:
                continue
            value = getattr(self, name)
            if dataclasses.is_dataclass(kind):
                require(isinstance(value, kind), name, f"be a {kind.__name__}", value)
            else:
                field = self.prefix + name
                require(matches(value, kind), field, f"be {describe(kind)}", value)
        self.validate()

    def validate(self):
        """Raises ConfigError where fields of the right type break a rule."""
