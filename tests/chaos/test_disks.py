"""Full disks and damaged checkpoints: what was saved stays, and is gone on from."""

import shutil
import subprocess

import pytest

from tests.chaos.runs import assert_undisturbed, finish, last_saved


@pytest.fixture(params=["a small disk", "a file-size limit"])
def disk(request, tmp_path):
    """(folder on a disk that can be full, the action that fills it, its opposite)."""
    if request.param == "a file-size limit":
        yield tmp_path, "limit files", "unlimit files"
        return
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small disk needs the right to mount one")
    yield tmp_path, "fill disk", "free disk"
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_a_full_disk_delays_saving_only(start, undisturbed, disk):
    """Epochs end, with rows of the journal and the history that wait for room."""
    folder, fill, free = disk
    workdir = folder / "run"
    run = start(workdir, [["save begins", 4, fill], ["epoch written", 9, free]])
    assert run.wait() == 0, run.output()[-3000:]
    assert "Training goes on" in run.output()
    if fill == "fill disk":
        assert "journal.jsonl cannot be written" in run.output()
    assert_undisturbed(workdir, undisturbed)


def test_a_disk_that_stays_full_has_its_own_exit_code(start, undisturbed, disk):
    folder, fill, _ = disk
    workdir = folder / "run"
    run = start(workdir, [["save begins", 5, fill]])
    assert run.wait() == 6, run.output()[-3000:]
    if fill == "fill disk":
        again = start(workdir)
        assert again.wait() == 6, again.output()[-3000:]
        (folder / "filler").unlink()
    assert last_saved(workdir)
    assert all(p.name.startswith("step-") for p in (workdir / "checkpoints").iterdir())
    finish(start, workdir)
    assert_undisturbed(workdir, undisturbed)


def test_damaged_checkpoints_are_passed_over_and_a_run_without_any_stops(
    start, undisturbed, tmp_path
):
    workdir = tmp_path / "run"
    start(workdir, [["save ended", 5, "kill"]]).wait()
    newest = max((workdir / "checkpoints").glob("step-*"))
    with open(newest / "variables.data-00000-of-00001", "r+b") as file:
        file.truncate(100)
    copy = tmp_path / "copy"
    shutil.copytree(workdir, copy)
    run = finish(start, workdir)
    reason = "variables.data-00000-of-00001 has 100 of"
    assert f"{newest.name} cannot be used ({reason}" in run.output()
    shutil.rmtree(workdir / "checkpoints" / f"{newest.name}.damaged")
    assert_undisturbed(workdir, undisturbed)

    for folder in (copy / "checkpoints").iterdir():
        (folder / "manifest.json").unlink()
    before = snapshot(copy)
    run = start(copy)
    assert run.wait() == 4, run.output()[-3000:]
    assert "begin again in another --workdir" in run.output()
    assert snapshot(copy) == before


LAST = (".lock", "log.txt")


def snapshot(folder):
    """When each file was last changed; the lock and the log say who held it last."""
    paths = (path for path in folder.rglob("*") if path.name not in LAST)
    return {path: path.stat().st_mtime_ns for path in paths if path.is_file()}
