"""What identifies a video, wherever its file lies and whatever it is called.

Three things, the strongest first. Its content: the size of the file and a hash of
64 KiB each of its beginning, middle and end, which tells copies under other names
without reading data sets whole. Its name: class folder and file name without the
ending, in Unicode's composed form and lower case, which tells the same video coded
anew. Its group: class folder and the number after _g, whose videos show the same scene.
"""

import hashlib
import json
import os
from pathlib import PurePosixPath
from unicodedata import normalize

from data.recordings import group_number
from data.splits import content_fingerprint
from storage.files import sampled_key
from storage.trained_videos import TrainedVideos

UNREADABLE = "unreadable-"  # begins the key of a file that cannot be read


class Identities:
    """Who the training and test videos of a source are.

    Attributes:
        listed_fingerprint: hash of the test list and of what the scan found in it, as
            earlier versions told test videos apart.
    """

    def __init__(self, source, train, test):
        """Looks at lists only, not at files.

        Args:
            source: a `data.sources.base.Source`.
            train: indices into its listing, of the videos that are trained on.
            test: indices into its listing.
        """
        self._listing, self._train, self._test = source.listing, train, test
        self._videos = source.videos
        self.listed_fingerprint = content_fingerprint(source, test)
        self._test_fingerprint = None

    def test_fingerprint(self, after_video=lambda: None):
        """What tells these test videos from others, wherever and however listed.

        It covers the classes' names and of each video its label, its name as `name_key`
        takes it, what the scan found in it and its content. The order of the list and
        how its accents are coded make no difference. Files are looked into once.

        Args:
            after_video: called after each file that was looked into.

        Returns:
            str of hexadecimal digits; where videos are not files, that of the list.
        """
        if not has_contents(self._listing):
            return self.listed_fingerprint
        if self._test_fingerprint is None:
            rows = []
            for i in self._test:
                rows.append(self._row(i))
                after_video()
            names = [normalize("NFC", name) for name in self._listing.class_names]
            text = json.dumps([names, sorted(rows)])
            self._test_fingerprint = hashlib.sha256(text.encode()).hexdigest()
        return self._test_fingerprint

    def fingerprints(self):
        """`test_fingerprint`, and what earlier versions wrote in its place."""
        return self.test_fingerprint(), self.listed_fingerprint

    def _row(self, i):
        name, video = self._listing.names[i], self._videos[i]
        # Where a file lies that cannot be read makes no difference.
        content = content_of(self._listing, i)
        content = UNREADABLE if content.startswith(UNREADABLE) else content
        found = (video.frames, video.height, video.width)
        return [int(self._listing.labels[i]), name_key(name), *found, content]

    def trained_videos(self, after_video=lambda: None):
        """The training videos as `TrainedVideos`.

        Args:
            after_video: called after each file that was looked into.

        Returns:
            None where it is not known: a record of TFDS has no name of its own.
        """
        if not has_contents(self._listing):
            return None
        names = [self._listing.names[i] for i in self._train]
        contents = []
        for i in self._train:
            contents.append(content_of(self._listing, i))
            after_video()
        return TrainedVideos(
            names=frozenset(map(name_key, names)),
            groups=frozenset(filter(None, map(group_key, names))),
            contents=frozenset(contents),
        )

    def seen(self, trained):
        """Which test videos a model was trained on.

        Args:
            trained: `TrainedVideos` of the model; None where it is not known.

        Returns:
            dict of a test video's name -> "content", "name" or "group", the strongest
            sign that it was trained on. None where it cannot be known.
        """
        if trained is None or not has_contents(self._listing):
            return None
        sizes = {content.partition("-")[0] for content in trained.contents}
        found = {}
        for i in self._test:
            name = self._listing.names[i]
            # Only files of the size of one that was trained on are looked into.
            is_of_size = _size(self._listing, i) in sizes
            if is_of_size and content_of(self._listing, i) in trained.contents:
                found[name] = "content"
            elif name_key(name) in trained.names:
                found[name] = "name"
            elif group_key(name) in trained.groups:
                found[name] = "group"
        return found


def has_contents(listing):
    """Whether it is known of each video of a listing what its file holds."""
    return bool(listing.paths or listing.contents)


def content_of(listing, video):
    """`content_key` of one video, which the listing may know.

    Args:
        listing: a `data.sources.base.Listing` that has contents.
        video: index into it.
    """
    if listing.contents:
        return listing.contents[video]
    return content_key(listing.paths[video])


def sampled(path):
    """The file by which content is told: the path, or of a folder its middle picture.

    Args:
        path: of a video, or of a folder of its frames.
    """
    if not os.path.isdir(path):
        return path
    names = sorted(os.listdir(path))
    return os.path.join(path, names[len(names) // 2]) if names else path


def content_key(path):
    """What `storage.files.sampled_key` says of a file.

    What is no file that can be read has a key that no other has. Of a folder of frames
    it is the key of the middle one.
    """
    try:
        path = sampled(path)
        if os.path.isfile(path):  # Opening a pipe would wait for ever.
            with open(path, "rb") as file:
                return sampled_key(file)
    except OSError:
        pass
    return f"{UNREADABLE}{_key(str(path))}"


def name_key(name):
    """Key of "Class/video.avi"."""
    return _key(str(PurePosixPath(name).with_suffix("")))


def group_key(name):
    """Key of class and group of "Class/v_Class_g01_c01.avi"; None without a group."""
    path = PurePosixPath(name)
    number = group_number(path.stem)
    return None if number is None else _key(f"{path.parent}/{number}")


def _key(text):
    text = normalize("NFC", text).casefold()
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _size(listing, video):
    """The size that begins the content key of a video; None of one that is gone."""
    if listing.contents:
        return listing.contents[video].partition("-")[0]
    try:
        return str(os.stat(sampled(listing.paths[video])).st_size)
    except OSError:
        return None
