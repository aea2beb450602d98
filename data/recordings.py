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


def group_number(name):
    """The number after _g in the name of a UCF101 video; None without one.

    Args:
        name: of the file, with or without its ending.
    """
    found = GROUP.search(name)
    return int(found.group(1)) if found else None


def recording_of(stem):
    """The part of a name that all parts of a recording share.

    Args:
        stem: name of the file without its ending.

    Returns:
        str, empty where the whole name is the number of a part; None where the name
        does not tell of any recording: a bare number may count parts or recordings.
    """
    found = GROUP.search(stem)
    if found:
        return stem[: found.end()]
    for part in PARTS:
        for found in part.finditer(stem):
            if found.end() == len(stem):
                return stem[: found.start()]
    return None
