"""Who may import whom, read from the syntax trees."""

import ast

import pytest

PACKAGES = {"configs", "data", "model", "strategy", "callbacks"}
ENTRY_POINTS = ("train.py", "evaluate.py", "predict.py")
# Heavy or optional libraries, and the only files that may import them.
CONFINED = {
    "cv2": {"data/decode.py"},
    "tensorflow_hub": {"model/hub.py"},
    "torch": {"model/checkpoints.py", "model/convert.py"},
}


def imports(path):
    """Every module that a file imports, with the names taken from it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module, [alias.name for alias in node.names]


def files(repository):
    for package in sorted(PACKAGES):
        for path in sorted((repository / package).rglob("*.py")):
            yield package, path


def test_packages_never_import_one_another(repository):
    for package, path in files(repository):
        for module, _ in imports(path):
            other = module.partition(".")[0]
            allowed = {package, "configs"}
            assert other not in PACKAGES - allowed, f"{path} must not import {module}"


def test_the_schema_needs_the_standard_library_only(repository):
    for name in ("schema", "section", "errors", "types", "calendar"):
        for module, _ in imports(repository / "configs" / f"{name}.py"):
            top = module.partition(".")[0]
            assert top not in {"tensorflow", "tf_keras", "absl", "numpy"}, (
                name,
                module,
            )


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_entry_points_import_public_names_only(repository, entry_point):
    for module, names in imports(repository / entry_point):
        package, _, submodule = module.partition(".")
        assert module not in {name[:-3] for name in ENTRY_POINTS}
        if package in PACKAGES - {"configs"}:
            assert not submodule, f"{entry_point} must not reach into {module}"
            public = (repository / package / "__init__.py").read_text()
            assert all(f'"{name}"' in public for name in names)


@pytest.mark.parametrize("library", CONFINED)
def test_a_confined_library_is_imported_in_its_place_only(repository, library):
    for _, path in files(repository):
        if any(module.partition(".")[0] == library for module, _ in imports(path)):
            assert str(path.relative_to(repository)) in CONFINED[library]
