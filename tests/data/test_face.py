import subprocess
import sys

import pytest

import data

HEAVY = ("tensorflow", "tensorflow_datasets", "matplotlib", "cv2", "av")


def loaded_by(statement, repository):
    """Those of the heavy libraries that a statement imports."""
    code = f"{statement}\nimport sys\nprint(*[x for x in {HEAVY} if x in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=repository,
        check=True,
        capture_output=True,
        text=True,
    )
    return set(done.stdout.split())


def test_public_names_are_there():
    objects = {name: getattr(data, name) for name in data.__all__}
    assert objects.pop("STANDARD_INPUT") == "-"
    assert {name: found.__name__ for name, found in objects.items()} == {
        name: name for name in objects
    }
    with pytest.raises(AttributeError, match="'data' has no attribute 'absent'"):
        _ = data.absent


@pytest.mark.parametrize(
    ("module", "libraries"),
    [
        ("data", set()),
        ("data.sampling.plan", set()),
        ("data.scan.__main__", {"cv2", "av"}),
        ("data.synthetic", {"cv2"}),
        ("data.decoding.inspect", {"cv2", "av"}),
        ("data.sources.ucf101", {"cv2", "av"}),
    ],
)
def test_heavy_libraries_are_imported_only_where_needed(repository, module, libraries):
    assert loaded_by(f"import {module}", repository) == libraries
