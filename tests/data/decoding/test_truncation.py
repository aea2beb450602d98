import pytest

from data.decoding.truncation import is_cut_off


def box(name, size, *, length=None, long=False):
    """An MP4 box of `size` zero bytes whose header may say another length."""
    length = (16 if long else 8) + size if length is None else length
    header = (1 if long else length).to_bytes(4, "big") + name
    return header + (length.to_bytes(8, "big") if long else b"") + bytes(size)


START = box(b"ftyp", 12)
MP4 = {
    "whole": (START + box(b"mdat", 90) + box(b"moov", 40), False),
    "last box lasts to the end": (START + box(b"mdat", 90, length=0), False),
    "long length": (START + box(b"mdat", 90, long=True), False),
    "half a box": (START + box(b"moov", 40) + box(b"mdat", 90)[:50], True),
    "half a long box": (START + box(b"mdat", 90, long=True)[:50], True),
    "half a header": (START + box(b"moov", 40) + b"\0\0\0", True),
    "box that claims too little": (START + box(b"free", 80, length=3), False),
}
AVI = {
    "whole": (b"RIFF" + (92).to_bytes(4, "little") + bytes(92), False),
    "second gigabyte": (b"RIFF\4\0\0\0AVI " * 2, False),
    "half a second gigabyte": (b"RIFF\4\0\0\0AVI RIFF\x50\0\0\0AVIX", True),
    "something behind the end": (b"RIFF\4\0\0\0AVI junk\xff\xff\xff\xff", False),
    "half": (b"RIFF" + (92).to_bytes(4, "little") + bytes(50), True),
    "other containers only estimate": (b"\x1a\x45\xdf\xa3" + bytes(90), False),
}


@pytest.mark.parametrize(("content", "cut"), (MP4 | AVI).values(), ids=MP4 | AVI)
def test_container_tells_whether_its_end_is_there(tmp_path, content, cut):
    path = tmp_path / "file"
    path.write_bytes(content)

    assert is_cut_off(path, 10, 100) == cut
    assert not is_cut_off(path, 80, 100)
