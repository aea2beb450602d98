"""~ is the home folder wherever a path is an option, in a flag and in a file."""

import dataclasses
import os
from pathlib import Path

import pytest

from configs.command.errors import ConfigError
from configs.demo import config as demo
from configs.schema import Data, Model
from configs.schema.data import LISTS
from configs.schema.experiment import changeable_options
from configs.schema.paths import check_utf8, expand_path
from configs.schema.section import options
from configs.schema.serialization import from_json, to_json
from storage.run_folder import RunFolder


@pytest.fixture(autouse=True)
def home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")


def test_options_of_a_config_are_expanded():
    assert Data(root="~/videos").root == "/home/me/videos"
    model = dataclasses.replace(demo().model, handle="~")
    assert isinstance(model, Model) and model.handle == "/home/me"


@pytest.mark.parametrize("path", ["", "videos", "./~x", "/a/~b", "https://tfhub.dev/~"])
def test_other_paths_and_addresses_stay(path):
    assert expand_path(path, "x") == path


@pytest.mark.parametrize("path", ["~no_such_user/videos", "~no_such_user", "a\0b"])
def test_what_cannot_be_a_path_is_refused_with_its_option(path):
    with pytest.raises(ConfigError, match="data.root must"):
        Data(root=path)


def test_a_run_is_the_same_run_wherever_home_is(monkeypatch):
    """The written config holds the path itself, and the option may change anyway.

    But for the one that says whose weights the run began with: --workdir alone goes on.
    """
    paths = {n for n, _, field in options(type(demo())) if field.metadata["is_path"]}
    lists = {f"data.{name}" for name in (*LISTS, "split_file")}
    assert paths == {"data.root", "model.handle", "init_from", *lists}
    assert paths - {"init_from"} <= changeable_options()
    config = dataclasses.replace(demo(), data=Data(root="~/videos"))
    text = to_json(config)
    monkeypatch.setenv("HOME", "/home/other")
    assert from_json(text) == config and '"/home/me/videos"' in text


def test_a_path_that_tensorflow_cannot_take_is_refused_before_anything_is_written():
    check_utf8(Path("café/快"), "OUTPUT")
    path = os.fsdecode(b"caf\xe9")
    with pytest.raises(ConfigError, match=r"OUTPUT must be .* UTF-8.*'caf\\udce9'"):
        check_utf8(path, "OUTPUT")
    with pytest.raises(ConfigError, match="data.root must be a path in UTF-8"):
        Data(root=path)
    with pytest.raises(ConfigError, match="--workdir must be a path in UTF-8"):
        RunFolder(path)


def test_a_locale_that_spells_a_path_in_other_bytes_is_refused(monkeypatch):
    """As one of ISO-8859-1: Python would make one folder and TensorFlow another."""
    monkeypatch.setattr(os, "fsencode", lambda path: str(path).encode("latin-1"))
    check_utf8("runs/x", "OUTPUT")
    with pytest.raises(ConfigError, match="OUTPUT must be a path in UTF-8"):
        check_utf8("café", "OUTPUT")
