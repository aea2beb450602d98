"""Public names of a package that are imported when they are first used."""

import importlib


def names_from(package, modules):
    """The `__getattr__` of a package whose names must not cost what they import.

    Args:
        package: its name.
        modules: name -> the module that it is taken from.
    """

    def __getattr__(name):
        """Imports a public name."""
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(modules[name]), name)

    return __getattr__
