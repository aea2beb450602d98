import collections
import random

import pytest

from configs.command.errors import DataError, StorageError
from data.sources.frozen_split import (
    draw,
    frozen_split,
    read_groups,
    read_split,
    write_split,
)
from data.sources.tree import Found

FRACTIONS = {"validation": 0.1, "test": 0.2}


def videos_of(*names):
    return [Found(name, name.split("/")[0], "", f"/v/{name}") for name in names]


def numbered(count, classes="ab", first=0):
    return videos_of(*(f"{c}/{n:03}.avi" for c in classes for n in range(first, count)))


def split(*arguments):
    """Draws a split and keeps it."""
    rows, new = frozen_split(*arguments)
    if new:
        write_split(arguments[1], rows.values())
    return rows


def splits_of(rows):
    return {name: row.split for name, row in rows.items()}


def counts(rows):
    return collections.Counter((row.class_name, row.split) for row in rows)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "split.csv"


@pytest.mark.parametrize(
    ("size", "train", "validation", "test"),
    [
        (1, 1, 0, 0),
        (2, 2, 0, 0),
        (3, 2, 0, 1),
        (5, 3, 1, 1),
        (10, 7, 1, 2),
        (20, 14, 2, 4),
        (100, 70, 10, 20),
    ],
)
def test_each_class_is_divided_by_the_fractions(path, size, train, validation, test):
    """By hand: 0.7, 0.1 and 0.2 of the size, rounded to the nearest."""
    rows = split(numbered(size), path, {}, FRACTIONS)
    expected = {"train": train, "validation": validation, "test": test}
    for class_name in "ab":
        found = counts(rows.values())
        assert {s: found[class_name, s] for s in expected} == expected


def test_no_group_is_torn_and_every_class_is_trained():
    generator = random.Random(0)
    for _ in range(50):
        groups = generator.randrange(1, 12)
        videos = {
            f"{c}/{n}.avi": (c, f"g{generator.randrange(groups)}")
            for c in "abc"
            for n in range(generator.randrange(1, 15))
        }
        rows = draw(videos, (), FRACTIONS)
        assert [row.video for row in rows] == list(videos)
        splits = collections.defaultdict(set)
        for row in rows:
            splits[row.group].add(row.split)
        assert all(len(found) == 1 for found in splits.values())
        trained = {row.class_name for row in rows if row.split == "train"}
        assert trained == {c for c, _ in videos.values()}


def test_large_groups_are_divided_near_the_fractions():
    """As UCF101's are: 25 groups of 4 to 7 videos in each of 10 classes."""
    generator = random.Random(1)
    videos = {
        f"{c}/g{g}_{n}.avi": (str(c), f"{c}/{g}")
        for c in range(10)
        for g in range(25)
        for n in range(generator.randrange(4, 8))
    }
    rows = draw(videos, (), FRACTIONS)
    totals = collections.Counter(c for c, _ in videos.values())
    for (class_name, split), count in counts(rows).items():
        wanted = {"train": 0.7, **FRACTIONS}[split] * totals[class_name]
        assert abs(count - wanted) <= 7  # One group.


def test_the_order_of_the_names_and_other_videos_make_no_difference_to_a_class(path):
    videos = numbered(40)
    rows = split(videos, path, {}, FRACTIONS)
    path.unlink()
    again = split(videos[::-1], path, {}, FRACTIONS)
    assert splits_of(again) == splits_of(rows)
    path.unlink()
    alone = split(numbered(40, classes="a"), path, {}, FRACTIONS)
    assert splits_of(alone).items() <= splits_of(rows).items()


def test_new_videos_move_no_other_and_join_their_group(path, caplog):
    caplog.set_level("INFO")
    names = [
        f"{c}/talk{n}_clip{k}.avi" for c in "ab" for n in range(20) for k in (1, 2)
    ]
    before = split(videos_of(*names), path, {}, FRACTIONS)
    text = path.read_text()
    assert split(videos_of(*names), path, {}, {"validation": 0.5, "test": 0.4})
    assert path.read_text() == text
    new = [f"a/talk{n}_clip3.avi" for n in range(20)] + ["a/other.avi"]
    after = split(videos_of(*names, *new), path, {}, FRACTIONS)
    assert splits_of(before).items() <= splits_of(after).items()
    for number in range(20):
        first = after[f"a/talk{number}_clip1.avi"].split
        assert after[f"a/talk{number}_clip3.avi"].split == first
    assert "21 videos are not in" in caplog.text
    assert read_split(path) == after


def test_many_small_additions_keep_to_the_fractions(path):
    for size in range(5, 105, 5):
        rows = split(numbered(size), path, {}, FRACTIONS)
    found = counts(rows.values())
    assert 18 <= found["a", "test"] <= 21
    assert 9 <= found["a", "validation"] <= 12


def test_the_names_tell_groups_and_a_file_tells_better(path, tmp_path):
    names = ["a/talk_clip1.avi", "b/talk_clip2.avi", "a/s/part1.avi", "a/s/part2.avi"]
    videos = videos_of(*names, "a/x.avi", "b/y.avi")
    rows = split(videos, path, {}, FRACTIONS)
    assert [rows[n].group for n in names] == ["talk", "talk", "a/s", "a/s"]
    assert rows["a/x.avi"].group == "a/x"
    path.unlink()
    (tmp_path / "groups.csv").write_text("group,video\nus,a/x.avi\nus,b/y.avi\n")
    groups = read_groups(tmp_path / "groups.csv", videos)
    rows = split(videos, path, groups, FRACTIONS)
    assert rows["a/x.avi"].group == rows["b/y.avi"].group == "us"
    assert rows["a/x.avi"].split == rows["b/y.avi"].split
    assert read_groups(tmp_path / "absent.csv", videos) == {}
    (tmp_path / "groups.csv").write_text("video,group\na/z.avi,us\n")
    with pytest.raises(DataError, match="line 2 names 'a/z.avi', which is not there"):
        read_groups(tmp_path / "groups.csv", videos)


def test_names_with_commas_quotes_and_line_ends_come_back(path):
    names = ['a/x, "y".avi', "a/x\ny.avi", "b/é.avi"]
    rows = split(videos_of(*names), path, {}, FRACTIONS)
    assert read_split(path) == rows
    assert set(rows) == set(names)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("a/000.avi,a,", "a/000.avi,a,no", r"line \d+: split must be one of train"),
        ("a/001.avi,a", "a/000.avi,a", "repeats the video 'a/000.avi'"),
        ("a/001.avi,a", "a/001.avi,b", "of the class 'b', but it lies in 'a'"),
        ("video,class", "file,class", "must begin with the names of its columns"),
        ("a/001.avi,a,", "a/001.avi,,", "must give video, class, split, group"),
    ],
)
def test_a_file_that_cannot_be_right_is_refused(path, old, new, message):
    split(numbered(5), path, {}, FRACTIONS)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        split(numbered(5), path, {}, FRACTIONS)


def test_videos_that_are_gone_keep_their_places(path, caplog):
    rows = split(numbered(10), path, {}, FRACTIONS)
    left = [video for video in numbered(10) if video.name != "a/003.avi"]
    text = path.read_text()
    assert split(left, path, {}, FRACTIONS) == rows
    assert path.read_text() == text
    assert "1 videos of" in caplog.text and "unreadable: a/003.avi." in caplog.text


def test_the_ending_of_a_name_makes_no_difference(path):
    """A collection that is coded anew, or in another container, is divided alike."""
    rows = split(numbered(20), path, {}, FRACTIONS)
    path.unlink()
    coded = [v.name.replace(".avi", ".mp4") for v in numbered(20)]
    again = split(videos_of(*coded), path, {}, FRACTIONS)
    assert {n.replace(".mp4", ".avi"): r.split for n, r in again.items()} == splits_of(
        rows
    )


def test_a_group_in_two_splits_is_refused(path):
    path.write_text("video,class,split,group\na/x.avi,a,train,g\na/y.avi,a,test,g\n")
    with pytest.raises(
        DataError, match="line 3.*in train by 'a/x.avi'.*one split only"
    ):
        read_split(path)


def test_a_split_that_cannot_be_kept_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        split(numbered(5), tmp_path / "file" / "split.csv", {}, FRACTIONS)


def test_names_with_any_characters_are_read_back(path):
    videos = videos_of(
        *(
            f"a/x{c}y.avi"
            for c in ("\r", "\n", "\r\n", '"', ",", ";", "\t", "\x85", "'")
        ),
        *("a/ x.avi", "a/x .avi", "a/-x.avi", "a/;;;;;.avi", "b/1.avi", "b/2.avi"),
    )
    rows = split(videos, path, {}, FRACTIONS)
    assert read_split(path) == rows
    assert split(videos, path, {}, FRACTIONS) == rows


@pytest.mark.parametrize(
    ("before", "after", "more"),
    [(",", ";", ""), (",", "\t", ""), (",", ",", "\n,,,\n\n"), (",", ";", ";;;\n")],
)
def test_a_spreadsheet_may_have_saved_the_file(path, before, after, more):
    rows = split(numbered(5), path, {}, FRACTIONS)
    text = path.read_text().replace(before, after) + more
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert read_split(path) == rows


def test_groups_that_are_told_later_count(path):
    """Those that the file tears are refused; new videos join the others."""
    rows = split(numbered(10), path, {}, FRACTIONS)
    tested = [row.video for row in rows.values() if row.split == "test"]
    trained = [row.video for row in rows.values() if row.split == "train"]
    with pytest.raises(DataError, match=r"into the group 'g', but .* was drawn before"):
        split(
            numbered(10), path, dict.fromkeys((tested[0], trained[0]), "g"), FRACTIONS
        )
    for number in range(20):
        new = videos_of(f"a/new{number}.avi")
        groups = dict.fromkeys((tested[0], new[0].name), "g")
        found, _ = frozen_split(numbered(10) + new, path, groups, FRACTIONS)
        assert found[new[0].name].split == "test"


def test_a_link_is_written_through_and_must_lead_somewhere(path, tmp_path):
    path.symlink_to(tmp_path / "kept.csv")
    with pytest.raises(DataError, match="cannot be read: No such file"):
        split(numbered(5), path, {}, FRACTIONS)
    (tmp_path / "kept.csv").write_text("video,class,split,group\n")
    rows = split(numbered(5), path, {}, FRACTIONS)
    assert path.is_symlink() and read_split(tmp_path / "kept.csv") == rows
