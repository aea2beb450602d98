"""Which videos are parts of one recording, as far as their names tell.

Parts of one recording show the same people in the same place. One of them in the
training set and another in the test set make the test too easy.
"""

import re

# UCF101: v_Punch_g07_c01. A longer number is a time or the like, and no group.
GROUP = re.compile(r"_g(\d{1,9})(?=[_.]|$)")
# What follows the name of a recording in the names of its parts.
PARTS = (
    # Kinetics: the first and the last second, dQw4w9WgXcQ_000010_000020.
    re.compile(r"_\d{6}_\d{6}"),
    # HMDB51: visible body parts, motion of the camera, people, viewpoint, quality and
    # number, April_09_brush_hair_u_nm_np1_ba_goo_0.
    re.compile(r"_[fuhl]_(cm|nm)_np\d+_(fr|ri|le|ba)_(goo|med|bad)_\d+"),
    # Cutting tools: talk-clip3, talk.part_02, talk Scene 004.
    re.compile(
        r"(^|[\s_.-]+)(clip|part|seg|segment|scene|shot|cut|chunk)[\s_.-]*\d+",
        re.IGNORECASE,
    ),
)
ENDING = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")  # A video may be a folder, take.2.


def group_number(name):
    """The number after _g in the name of a UCF101 video; None without one.

    Args:
        name: of the file, with or without its ending.
    """
    found = GROUP.search(name)
    return int(found.group(1)) if found else None


def recording_of(name):
    """What a video has in common with all other parts of its recording, and no others.

    Args:
        name: path of the video below the data set's folder, parted by /.

    Returns:
        str: what its file's name begins with; or its folder, where the file's name is
        nothing but the number of a part, as in talk/part_2.mp4; or its own name without
        the ending, where that tells of no recording. A bare number does not: it may
        count parts or recordings.
    """
    name = ENDING.sub("", name)
    folder, _, file = name.rpartition("/")
    shared = _before_number(file)
    if shared == "" and "/" in folder:  # Not the class folder, which holds all.
        return folder
    return shared or name


def _before_number(file):
    """What stands before the number of a part; None where there is none."""
    found = GROUP.search(file)
    if found:
        return file[: found.end()]
    for part in PARTS:
        for found in part.finditer(file):
            if found.end() == len(file):
                return file[: found.start()]
    return None
