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
    ("name", "recording"),
    [
        ("Punch/v_Punch_g07_c01.avi", "v_Punch_g07"),
        ("yoga/dQw4w9WgXcQ_000010_000020.mp4", "dQw4w9WgXcQ"),
        ("yoga/-a_b-c_d_e_000010_000020.mp4", "-a_b-c_d_e"),
        ("x/April_09_brush_hair_u_nm_np1_ba_goo_0.avi", "April_09_brush_hair"),
        ("a/talk-clip3.mkv", "talk"),
        ("a/talk.part_02.mp4", "talk"),
        ("a/talk Scene 004.mov", "talk"),
        ("b/talk_CUT-1", "talk"),
        ("a/talk_clip1_clip2.avi", "talk_clip1"),
        ("a/monday/clip_001.avi", "a/monday"),  # The folder is what parts share.
        ("a/clip_001.avi", "a/clip_001"),  # But not the class.
        ("clip_001.avi", "clip_001"),
        ("a/video_001.avi", "a/video_001"),  # Parts of one? Nobody knows.
        ("a/talk.avi", "a/talk"),
        ("b/talk.avi", "b/talk"),
        ("a/talk.mp4", "a/talk"),
        ("a/take.2", "a/take.2"),  # A folder of frames.
        ("a/talk_clip", "a/talk_clip"),
        ("a/unpart7", "a/unpart7"),
        ("a/haircut_1", "a/haircut_1"),
        ("", ""),
    ],
)
def test_the_recording_is_what_its_parts_share(name, recording):
    assert recording_of(name) == recording
