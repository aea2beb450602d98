from model.video_swin.sizes import effective_window


def test_a_window_shrinks_to_a_small_map_and_does_not_shift_there():
    assert effective_window((16, 14, 7), (8, 7, 7)) == ((8, 7, 7), (4, 3, 0))
    assert effective_window((4, 14, 5), (8, 7, 7)) == ((4, 7, 5), (0, 3, 0))
