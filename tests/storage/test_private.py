"""Folders of the user's own: nobody else made them or may write to them."""

import os
import stat

import pytest

from configs.command.errors import ConfigError, StorageError
from storage.private import private_folder, require_own, user_cache


def test_the_cache_lies_where_the_user_wants_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache("models") == tmp_path / "video-swin-finetuning" / "models"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert user_cache() == tmp_path / "home" / ".cache" / "video-swin-finetuning"


@pytest.mark.parametrize("named", ["caches", "./caches", "~/caches", ""])
def test_a_cache_that_is_not_named_by_its_full_path_is_ignored(
    tmp_path, monkeypatch, named
):
    """As the XDG Base Directory Specification says."""
    monkeypatch.setenv("XDG_CACHE_HOME", named)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_cache() == tmp_path / ".cache" / "video-swin-finetuning"
    monkeypatch.setenv("HOME", "home")
    with pytest.raises(ConfigError, match="HOME or XDG_CACHE_HOME must name a folder"):
        user_cache()


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077])
def test_a_new_one_is_closed_to_others_whatever_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        path = private_folder(tmp_path / "a" / "b", "go elsewhere")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert private_folder(path, "go elsewhere") == path


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777, 0o720, 0o702])
def test_one_that_others_may_write_to_is_refused(tmp_path, mode):
    path = tmp_path / "cache"
    path.mkdir()
    path.chmod(mode)
    with pytest.raises(ConfigError, match="not be writable by others.*go elsewhere"):
        private_folder(path, "go elsewhere")
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o500])
def test_one_that_others_may_read_is_used(tmp_path, mode):
    path = tmp_path / "cache"
    path.mkdir()
    path.chmod(mode)
    require_own(path, "go elsewhere")


def test_one_that_another_user_made_is_refused(tmp_path, monkeypatch):
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    with pytest.raises(ConfigError, match=f"belongs to user {mine}, who may") as error:
        private_folder(tmp_path, "go elsewhere")
    assert "\n" not in str(error.value)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="belongs to user"):
        private_folder(tmp_path / "link", "go elsewhere")


def test_what_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="must be a folder"):
        private_folder(tmp_path / "file", "go elsewhere")
    with pytest.raises(StorageError, match="must be a folder to write to"):
        private_folder(tmp_path / "file" / "below", "go elsewhere")
