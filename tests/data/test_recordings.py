import pytest

from data.recordings import group_number, recording_of


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("v_Punch_g07_c01.avi", 7),
        ("v_Punch_g07", 7),
        ("v_Punch_g0000000007_c01.avi", None),  # A time, or the like.
        ("v_Punch_g07b.avi", None),
        ("punch.avi", None),
    ],
)
def test_the_group_of_ucf101_is_a_number(name, number):
    assert group_number(name) == number


@pytest.mark.parametrize(
    ("stem", "recording"),
    [
        ("v_Punch_g07_c01", "v_Punch_g07"),
        ("dQw4w9WgXcQ_000010_000020", "dQw4w9WgXcQ"),
        ("-a_b-c_d_e_000010_000020", "-a_b-c_d_e"),
        ("April_09_brush_hair_u_nm_np1_ba_goo_0", "April_09_brush_hair"),
        ("talk-clip3", "talk"),
        ("talk.part_02", "talk"),
        ("talk Scene 004", "talk"),
        ("talk_CUT-1", "talk"),
        ("clip_001", ""),
        ("video_001", None),  # Parts of one, or recordings? Nobody knows.
        ("talk", None),
        ("talk_clip", None),
        ("unpart7", None),
        ("haircut_1", None),
        ("talk_clip1_clip2", "talk_clip1"),
        ("", None),
    ],
)
def test_the_recording_is_what_its_parts_share(stem, recording):
    assert recording_of(stem) == recording
