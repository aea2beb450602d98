import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pytest

from configs.command.errors import ConfigError
from storage.archives import (
    LARGEST_FILE,
    amount,
    require_sane_size,
    require_sane_tar,
    require_sane_zip,
)

MEBIBYTE = bytes(1 << 20)
PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def header(size, kind=tarfile.REGTYPE):
    """A tar header that claims `size` bytes."""
    member = tarfile.TarInfo("variables")
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ("gz", tarfile.REGTYPE),
        ("gz", tarfile.XHDTYPE),
        ("bz2", tarfile.REGTYPE),
        ("xz", tarfile.REGTYPE),
    ],
)
def test_refuses_a_tar_file_that_unpacks_to_far_more(tmp_path, form, kind):
    """Of a member or of a header's text, which tarfile reads at once."""
    path = tmp_path / f"bomb.tar.{form}"
    path.write_bytes(PACKERS[form](header(68 << 20, kind) + 68 * MEBIBYTE))
    with pytest.raises(ConfigError, match="was not unpacked"):
        require_sane_tar(path)


def test_refuses_a_tar_file_that_claims_more_than_it_is(tmp_path):
    path = tmp_path / "claim.tar.gz"
    path.write_bytes(gzip.compress(header(1 << 42) + bytes(2048)))
    with pytest.raises(ConfigError, match=r"would become 4\.0 TiB"):
        require_sane_tar(path)


@pytest.mark.parametrize("form", PACKERS)
def test_passes_an_ordinary_tar_file_and_no_half_of_one(tmp_path, form):
    path = tmp_path / f"model.tar.{form}"
    with tarfile.open(path, f"w:{form}") as archive:
        member = tarfile.TarInfo("variables")
        member.size = 3 << 20
        archive.addfile(member, io.BytesIO(3 * MEBIBYTE))
    require_sane_tar(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ConfigError, match="a whole tar file"):
        require_sane_tar(path)
    path.write_text("text")
    with pytest.raises(ConfigError, match="a tar file"):
        require_sane_tar(path)


def test_refuses_a_zip_file_that_unpacks_to_far_more(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", 68 * MEBIBYTE)
    with pytest.raises(ConfigError, match=r"would become 68\.0 MiB"):
        require_sane_zip(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_refuses_members_of_one_name(tmp_path):
    path = tmp_path / "twice.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", b"1")
        archive.writestr("a.npy", b"2")
    with pytest.raises(ConfigError, match="each of its members once"):
        require_sane_zip(path)


def test_passes_small_files_that_compress_well(tmp_path):
    path = tmp_path / "zeros.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", 20 * MEBIBYTE)
    assert require_sane_zip(path).keys() == {"a.npy"}


def test_refuses_a_file_that_is_larger_than_any_checkpoint(tmp_path):
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(ConfigError, match=r"at most 8\.0 GiB"):
        require_sane_size(tmp_path / "sparse")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1536, "1.5 KiB"),
        (1 << 42, "4.0 TiB"),
        (1 << 60, "1048576.0 TiB"),
    ],
)
def test_amounts_are_for_people(size, text):
    assert amount(size) == text
