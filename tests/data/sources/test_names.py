"""Lists in the encodings that editors save, and files named on other systems."""

import itertools
import os
import shutil
import subprocess
import sys
import unicodedata

import pytest

from configs.command.errors import DataError
from data.sources.names import alike
from data.sources.ucf101 import list_videos
from tests.data.samples import write_lists

CLASSES = ("café", "Ünder stand", "한국어", "快钱", "a_$5^\\{}%'\"", "😀 smile")
CODED = ("utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be")
# The kinds of spelling that tell the same name apart on disk.
FORMS = ("NFC", "NFD")


def write_set(root, classes, form=None):
    """Class folders with two videos each, spelled in a form, and lists that are not."""
    train, test = [], []
    for label, name in enumerate(classes, start=1):
        videos = [f"{name}/{name} {number}.final.mp4" for number in (1, 2)]
        for video in videos:
            path = root / (unicodedata.normalize(form, video) if form else video)
            path.parent.mkdir(exist_ok=True)
            path.touch()
        train.append(f"{videos[0]} {label}")
        test.append(videos[1])
    write_lists(root, train, test, classes)


def recode(root, change):
    for file in root.glob("*.txt"):
        file.write_bytes(change(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize("encoding", CODED)
def test_lists_are_read_in_every_encoding_that_says_what_it_is(tmp_path, encoding):
    write_set(tmp_path, CLASSES)
    # Python writes the mark of UTF-16 and UTF-32, but not with a byte order's name.
    mark = "\ufeff" if encoding.endswith(("-le", "-be")) else ""
    recode(tmp_path, lambda text: (mark + text).encode(encoding))
    listing = list_videos(tmp_path, 1)
    assert listing.class_names == CLASSES
    assert all(map(os.path.isfile, listing.paths))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 run\n2 café\n".encode("cp1252"), "line 2 is not .*iconv -f WINDOWS-1252"),
        ("1 run\n2 快钱\n".encode("gbk"), "line 2 is not .*convert it from what it is"),
        ("1 run\n".encode("utf-16-le"), "line 1 holds a NUL, .*iconv -f UTF-16LE"),
        ("1 run\n".encode("utf-16")[:-1], "line .* is not .truncated"),
        (b"1 run\n2 a\0b\n", "line 2 holds a NUL"),
    ],
)
def test_other_encodings_are_refused_with_the_remedy(tmp_path, content, message):
    write_set(tmp_path, ("run", "walk"))
    (tmp_path / "classInd.txt").write_bytes(content)
    with pytest.raises(DataError, match=f"classInd.txt must be UTF-.*{message}") as e:
        list_videos(tmp_path, 1)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("end", ["\x1a", "\r\n\x1a", "\r\n\x1a\x1a\r\n"], ids=ascii)
def test_a_list_may_end_as_files_of_dos_do(tmp_path, end):
    write_set(tmp_path, CLASSES)
    recode(tmp_path, lambda text: (text.rstrip() + end).encode())
    assert list_videos(tmp_path, 1).class_names == CLASSES


@pytest.mark.parametrize(
    "separator", ["\t", "  ", " \t ", "\u00a0", "\u3000"], ids=ascii
)
def test_any_blanks_part_a_label_from_its_name(tmp_path, separator):
    write_set(tmp_path, CLASSES)
    lines = [f"{n}{separator}{name}" for n, name in enumerate(CLASSES, start=1)]
    (tmp_path / "classInd.txt").write_text("\n".join(lines), encoding="utf-8")
    train = tmp_path / "trainlist01.txt"
    text = train.read_text(encoding="utf-8")
    train.write_text(text.replace(".mp4 ", f".mp4{separator}"), encoding="utf-8")
    assert list_videos(tmp_path, 1).class_names == CLASSES


@pytest.mark.parametrize(("listed", "stored"), itertools.permutations(FORMS))
def test_accents_may_be_coded_in_another_way_on_disk(tmp_path, listed, stored, caplog):
    classes = tuple(unicodedata.normalize(listed, name) for name in CLASSES)
    write_set(tmp_path, classes, stored)
    listing = list_videos(tmp_path, 1)
    assert listing.class_names == classes  # as listed: the run is what the lists say
    assert all(map(os.path.isfile, listing.paths))
    assert caplog.text.count("3 names differ from the files") == 2


def test_files_that_differ_only_in_coding_are_told_apart(tmp_path):
    """The exact one is taken; where neither is, the name is ambiguous."""
    composed, apart = (unicodedata.normalize(form, "é.mp4") for form in FORMS)
    (tmp_path / "run").mkdir()
    for name in (composed, apart, "b.mp4"):
        (tmp_path / "run" / name).touch()
    write_lists(
        tmp_path, [f"run/{apart} 1", f"run/{composed} 1"], ["run/b.mp4"], ["run"]
    )
    paths = [os.path.basename(path) for path in list_videos(tmp_path, 1).paths]
    assert paths == [apart, composed, "b.mp4"]

    write_lists(tmp_path, ["run/É.mp4 1"], ["run/b.mp4"], ["run"])
    with pytest.raises(DataError, match=r"'\\xc9.mp4' may be any of .*'e\\u0301.mp4'"):
        list_videos(tmp_path, 1)


def test_one_file_listed_in_two_codings_is_listed_twice(tmp_path):
    composed, apart = (unicodedata.normalize(form, "é.mp4") for form in FORMS)
    (tmp_path / "run").mkdir()
    for name in (composed, "b.mp4"):
        (tmp_path / "run" / name).touch()
    write_lists(
        tmp_path, [f"run/{composed} 1", f"run/{apart} 1"], ["run/b.mp4"], ["run"]
    )
    with pytest.raises(DataError, match="trainlist01.txt line 2 repeats line 1"):
        list_videos(tmp_path, 1)


def test_classes_that_differ_only_in_coding_are_one_class_twice(tmp_path):
    write_set(tmp_path, ("café", "cafe\u0301"))
    with pytest.raises(DataError, match="classInd.txt line 2 repeats"):
        list_videos(tmp_path, 1)


def test_other_names_stay_apart():
    """Compatible characters, and those without a decomposition, are not the same."""
    names = ["①", "1", "ﬁn", "fine", "½", "1⁄2", "Å", "A", "ø", "o", "快", "fast"]
    assert len({alike(name) for name in names}) == len(names)
    assert alike("Å") == alike("\u212b") == alike("A\u030a") == alike("å")


def test_a_name_on_disk_that_is_no_text_stands_in_nobody_s_way(tmp_path):
    write_set(tmp_path, ("run", "walk"))
    for name in (b"caf\xe9", b"run/caf\xe9.mp4", b"run/\xff\xfe"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb"):
            pass
    assert len(list_videos(tmp_path, 1).names) == 4


def test_a_folder_that_is_no_text_holds_a_data_set(tmp_path):
    root = tmp_path / os.fsdecode(b"caf\xe9")
    root.mkdir()
    write_set(root, ("run", "walk"))
    assert all(map(os.path.isfile, list_videos(root, 1).paths))


@pytest.mark.parametrize("root", ["x" * 5000, "x" * 300 + "/y"])
def test_a_root_too_long_for_a_path_is_no_directory(root):
    with pytest.raises(DataError, match="data.root must be a directory"):
        list_videos(root, 1)


def test_a_name_too_long_for_a_file_is_missing(tmp_path):
    write_set(tmp_path, ("run",))
    write_lists(tmp_path, [f"run/{'x' * 5000}.mp4 1"], ["run/run 2.final.mp4"], ["run"])
    with pytest.raises(DataError, match="lists 1 videos that are not in"):
        list_videos(tmp_path, 1)


def test_a_number_of_5000_digits_is_no_label(tmp_path):
    write_set(tmp_path, ("run",))
    (tmp_path / "classInd.txt").write_text(f"{'1' * 5000} run\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 1 must read 'LABEL CLASS'"):
        list_videos(tmp_path, 1)


def test_lists_and_files_are_utf_8_under_any_locale(tmp_path, repository):
    """The C locale with UTF-8 mode off: Python takes file names for ASCII."""
    write_set(tmp_path, CLASSES, "NFD")
    code = (
        "import os, sys\n"
        "from data.sources.ucf101 import list_videos\n"
        "assert sys.getfilesystemencoding() != 'utf-8', 'not the locale it asks for'\n"
        "listing = list_videos(sys.argv[1], 1)\n"
        "assert all(map(os.path.isfile, listing.paths))\n"
        "print(ascii(listing.class_names))"
    )
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = subprocess.run(
        [sys.executable, "-c", code, tmp_path],
        cwd=repository,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == ascii(CLASSES)


CASES = {
    "tab_in_classind": ("cooking", "washing"),
    "nfc": ("café", "washing"),
    "dollars": ("pay_$5_to_$10^", "数钱"),
}


@pytest.mark.parametrize("case", CASES)
def test_lists_that_once_failed_are_right(shared, tmp_path, case):
    for file in (shared / "cases/lists" / case).iterdir():
        shutil.copy(file, tmp_path)
        for line in file.read_text(encoding="utf-8").splitlines():
            if "/" in line:
                video = line.removesuffix(" 1").removesuffix(" 2")
                form = "NFD" if case == "nfc" else "NFC"
                path = tmp_path / unicodedata.normalize(form, video)
                path.parent.mkdir(exist_ok=True)
                path.touch()
    listing = list_videos(tmp_path, 1)
    assert listing.class_names == CASES[case]
    assert (listing.train_size, len(listing.names)) == (8, 12)
    assert all(map(os.path.isfile, listing.paths))
