"""Unpacked and downloaded models are the user's own, whole and as they came."""

import bz2
import gzip
import http.server
import io
import json
import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import threading

import pytest

from configs.command.errors import ConfigError
from model.hub import cache as cache_module
from model.hub.cache import (
    cache_folder,
    damage,
    downloaded,
    manifest_of,
    seal,
    unpacked,
)

CONTENT = {"saved_model.pb": b"graph" * 100, "variables/variables.index": b"index"}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder of the cache, which is not made yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("TFHUB_CACHE_DIR", raising=False)
    return tmp_path / "xdg" / "video-swin-finetuning" / "models"


def tar(members=CONTENT):
    """The bytes of a tar file of files, or of `TarInfo`s without content."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as file:
        for name, content in members.items():
            if isinstance(content, bytes):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                file.addfile(member, io.BytesIO(content))
            else:
                file.addfile(content)
    return stream.getvalue()


@pytest.fixture
def archive(tmp_path):
    """Writes an archive; by default one of a model, compressed by gzip."""

    def write(content=None):
        path = tmp_path / "model.tar.gz"
        # Without the time of now: the same archive is the same bytes.
        path.write_bytes(gzip.compress(tar(), mtime=0) if content is None else content)
        return path

    return write


def files(directory):
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    "compress", [bytes, gzip.compress, bz2.compress, lzma.compress]
)
def test_an_archive_is_unpacked_once_into_a_folder_of_the_users_own(
    cache, archive, compress
):
    path = archive(compress(tar()))
    directory = unpacked(path)
    assert directory.parent == cache and files(directory) == CONTENT
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    changed = directory.stat().st_mtime_ns
    assert unpacked(path) == directory and directory.stat().st_mtime_ns == changed


def plant(directory):
    (directory / "saved_model.pb").write_bytes(b"another graph" * 100)


@pytest.mark.parametrize(
    "change",
    [
        plant,
        lambda directory: (directory / "saved_model.pb").unlink(),
        lambda directory: (directory / "more").touch(),
        lambda directory: (directory / "saved_model.pb").write_bytes(b"planted"),
        lambda directory: directory.with_name(
            f"{directory.name}.manifest.json"
        ).unlink(),
        lambda directory: directory.with_name(
            f"{directory.name}.manifest.json"
        ).write_text("[]"),
    ],
    ids=["same size", "missing", "more", "planted", "no manifest", "no manifest's"],
)
def test_what_is_not_the_archives_is_unpacked_again(cache, archive, change, caplog):
    path = archive()
    directory = unpacked(path)
    change(directory)
    assert unpacked(path) == directory
    assert files(directory) == CONTENT
    assert "is unpacked again" in caplog.text


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o077])
def test_the_umask_does_not_matter(cache, archive, umask, caplog):
    before = os.umask(umask)
    try:
        changed = unpacked(archive()).stat().st_mtime_ns
        assert unpacked(archive()).stat().st_mtime_ns == changed
    finally:
        os.umask(before)
    assert "unpacked again" not in caplog.text


def test_a_folder_that_was_there_before_is_not_believed(cache, archive, tmp_path):
    """Whoever made it: nothing says that it is what the archive holds."""
    directory = unpacked(archive())
    name = directory.name
    for path in sorted(cache.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (cache / name).mkdir()
    plant(cache / name)
    assert files(unpacked(archive())) == CONTENT


def test_the_folder_for_everybody_is_not_read(cache, archive, tmp_path, monkeypatch):
    """There a graph that another user had planted once ran."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    name = unpacked(archive()).name
    planted = tmp_path / "tmp" / "tfhub_modules" / name
    planted.mkdir(parents=True)
    plant(planted)
    assert unpacked(archive()) == cache / name


def test_a_cache_that_others_may_write_to_is_refused(archive, tmp_path, monkeypatch):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(shared))
    with pytest.raises(ConfigError, match="writable by others.*TFHUB_CACHE_DIR"):
        unpacked(archive())
    assert list(shared.iterdir()) == []
    shared.chmod(0o755)
    assert unpacked(archive()).parent == shared
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    with pytest.raises(ConfigError, match=f"belongs to user {mine}") as error:
        unpacked(archive())
    assert "\n" not in str(error.value)


def link(kind, target):
    member = tarfile.TarInfo("saved_model.pb")
    member.type, member.linkname = kind, target
    return {"saved_model.pb": member}


def stamped(time):
    """A member of an impossible time, as a header of the format pax may say it."""
    member = tarfile.TarInfo("a")
    member.pax_headers = {"mtime": time}
    return {"a": member}


def declared(size):
    """A member that says it is large; the archive ends behind its header."""
    member = tarfile.TarInfo("saved_model.pb")
    member.size = size
    return member.tobuf()


def long_name(size):
    """A header that makes a reader of archives take a name of so many bytes."""
    member = tarfile.TarInfo("././@LongLink")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, size
    return member.tobuf() + bytes(size)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no archive", "must be a directory or a whole tar file"),
        (b"", "must be a directory or a whole tar file"),
        (gzip.compress(tar())[:-100], "Compressed file ended|end of"),
        (gzip.compress(tar())[:-8] + bytes(8), "CRC|checksum"),
        (gzip.compress(tar({"../x": b""})), "outside the destination"),
        (gzip.compress(tar({"a/../../x": b""})), "outside the destination"),
        (gzip.compress(tar(link(tarfile.SYMTYPE, "/etc/passwd"))), "no file and no"),
        (gzip.compress(tar(link(tarfile.LNKTYPE, "/etc/passwd"))), "no file and no"),
        (gzip.compress(tar(link(tarfile.FIFOTYPE, ""))), "no file and no folder"),
        (gzip.compress(tar({"a" * 300: b"x"})), "File name too long"),
        (gzip.compress(tar({"a": b"x", "a/b": b"x"})), "a/b.*(exists|Not a dir)"),
        (gzip.compress(tar({"a": b"x", "a/../b": b"x"})), "a/../b"),
        (gzip.compress(tar({"": b"x"})), "''|directory"),
        (gzip.compress(tar(stamped("nan"))), "'a': .*NaN"),
        (gzip.compress(declared(1 << 40)), "more than 10 times its size"),
        (gzip.compress(tar({"x": bytes(80 << 20)}), 1), "more than 10 times its size"),
        (gzip.compress(long_name(80 << 20), 1), "far more than it is"),
    ],
    ids=[
        *("text", "empty", "cut off", "checksum", "above", "above by detour"),
        *("link", "hard link", "pipe", "300 letters", "below a file", "by detour"),
        *("no name", "no time", "says 1 TiB", "80 MiB of zeros", "long name"),
    ],
)
def test_an_archive_that_is_no_model_is_refused_in_one_line(
    cache, archive, tmp_path, content, message
):
    path = archive(content)
    with pytest.raises(ConfigError, match=message) as error:
        unpacked(path)
    assert "\n" not in str(error.value)
    assert {p.name for p in cache.iterdir()} == {".lock"}
    assert not (tmp_path / "x").exists()


def test_what_a_killed_process_left_is_cleared_away(cache, archive):
    left = cache / f".{'0' * 64}.123.tmp"
    left.mkdir(parents=True, mode=0o700)
    cache.chmod(0o700)
    unpacked(archive())
    assert not left.exists()


@pytest.fixture
def address(monkeypatch):
    """An address on this machine, what was asked of it, and the files that it gives."""
    monkeypatch.setenv("no_proxy", "*")
    asked, content = [], dict(CONTENT)
    folder = tarfile.TarInfo("variables")
    folder.type, folder.mode = tarfile.DIRTYPE, 0o755

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(gzip.compress(tar({"variables": folder, **content})))

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/model.tar.gz", asked, content
        server.shutdown()


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077])
def test_a_download_lies_in_the_same_cache_and_is_compared(cache, address, umask):
    address, asked, content = address
    before = os.umask(umask)
    try:
        directory = downloaded(address)
        assert directory.parent == cache and files(directory) == CONTENT
        assert "TFHUB_CACHE_DIR" not in os.environ
        assert downloaded(address) == directory and len(asked) == 1
    finally:
        os.umask(before)
    plant(directory)
    with pytest.raises(ConfigError, match="saved_model.pb has .*Remove it to download"):
        downloaded(address)
    shutil.rmtree(directory)
    content["saved_model.pb"] = b"a new version"
    assert files(downloaded(address)) == content and len(asked) == 2


def test_a_download_of_another_user_is_refused(cache, address, monkeypatch):
    address, *_ = address
    directory = downloaded(address)
    manifest_of(directory).unlink()
    mine, require_own = os.geteuid(), cache_module.require_own

    def require(path, *args, **kwargs):
        monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
        require_own(path, *args, **kwargs)

    monkeypatch.setattr(cache_module, "require_own", require)
    with pytest.raises(ConfigError, match=f"{directory.name} must belong to this user"):
        downloaded(address)


def test_an_address_that_cannot_be_fetched_is_one_line(cache, monkeypatch):
    def resolve(address):
        raise OSError("no route to host")

    monkeypatch.setattr(cache_module, "resolve", resolve)
    with pytest.raises(ConfigError, match="that can be fetched; .*no route to host"):
        downloaded("https://tfhub.dev/someone/model/1")


def test_a_seal_lists_every_file(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "a").write_bytes(b"a")
    seal(folder)
    assert damage(folder) is None
    assert set(json.loads((tmp_path / "model.manifest.json").read_text())) == {"a"}


@pytest.mark.parametrize(
    "named", ["gs://bucket/models", "~nobody-of-this-name/x", "file:///models"]
)
def test_a_cache_elsewhere_is_refused(tmp_path, monkeypatch, named):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFHUB_CACHE_DIR", named)
    with pytest.raises(ConfigError, match=f"TFHUB_CACHE_DIR must be a.*{named}"):
        cache_folder()
    assert list(tmp_path.iterdir()) == []


def test_the_variable_of_the_library_names_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
