import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from model.weights.architecture import official_shapes

ARCHITECTURE = {
    "embed_dim": 8,
    "depths": (2,),
    "num_heads": (1,),
    "window_size": (2, 2, 2),
    "patch_size": (2, 4, 4),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of the small checkpoint, and of what the first notebook writes."""
    folder = tmp_path_factory.mktemp("notebooks")
    generator = np.random.default_rng(0)
    tensors = {
        name: generator.normal(size=shape, scale=0.3).astype(np.float32)
        for name, shape in official_shapes(ARCHITECTURE, 4).items()
    }
    np.savez(folder / "small.npz", **tensors)
    return folder


def execute(repository, name, **parameters):
    """Runs a notebook with other values in its cell of parameters."""
    notebook = nbformat.read(repository / "notebooks" / f"{name}.ipynb", as_version=4)
    (cell,) = (
        cell
        for cell in notebook.cells
        if "parameters" in cell["metadata"].get("tags", [])
    )
    for key, value in parameters.items():
        assert f"{key} = " in cell.source
        cell.source += f"\n{key} = {value!r}"
    client = NotebookClient(
        notebook,
        timeout=300,
        resources={"metadata": {"path": str(repository / "notebooks")}},
    )
    client.execute()
    return notebook


def test_notebooks_run_from_conversion_to_fine_tuning(repository, folder):
    """In their order: the second fine-tunes what the first has converted."""
    execute(
        repository,
        "convert_a_checkpoint",
        CHECKPOINT=str(folder / "small.npz"),
        CLIP=(4, 16, 16),
        OUTPUT=str(folder / "model"),
    )
    execute(
        repository,
        "fine_tune_on_dummy_clips",
        HANDLE=str(folder / "model"),
        CLIP=(6, 20, 16),
        STEPS=6,
    )


def test_notebooks_are_stored_without_results(repository):
    paths = list((repository / "notebooks").glob("*.ipynb"))
    assert len(paths) == 2
    for path in paths:
        for cell in nbformat.read(path, as_version=4).cells:
            assert not cell.get("outputs") and not cell.get("execution_count")
