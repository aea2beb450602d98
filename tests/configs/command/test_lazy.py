"""Packages whose public names are imported when they are first used."""

import importlib

import pytest

PACKAGES = ("data", "model", "strategy")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there(package):
    package = importlib.import_module(package)
    assert package.__all__
    for name in package.__all__:
        value = getattr(package, name)
        assert getattr(value, "__name__", name) == name


@pytest.mark.parametrize("package", PACKAGES)
def test_another_name_is_not(package):
    module = importlib.import_module(package)
    with pytest.raises(AttributeError, match=f"'{package}' has no attribute 'absent'"):
        _ = module.absent
