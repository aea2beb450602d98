"""Who may import whom, and how long a file may be, read from the syntax trees."""

import ast
import subprocess
import sys

import pytest

ENTRY_POINTS = ("train.py", "evaluate.py", "predict.py", "export.py", "check.py")
BELOW = {"configs", "storage"}  # every package may use these
PACKAGES = {
    "configs": set(),
    "storage": {"configs"},
    "strategy": BELOW,
    "data": BELOW,
    "model": BELOW,
    "callbacks": BELOW,
}
# A room is a file or a folder directly below a package; each with the rooms of its
# package that it may import from, besides itself.
ROOMS = {
    "configs": {
        "schema": {"command"},  # nothing but its errors, see below
        "command": {"schema"},
    },
    "data": {
        "sampling": set(),
        "decoding": set(),
        "scan": {"decoding"},
        "recordings": set(),
        "sources": {"scan", "decoding", "recordings"},
        "splits": set(),
        "identities": {"splits", "recordings"},
        "order": set(),
        "stream": set(),
        "pipeline": {"order", "stream"},
        "synthetic": {"decoding"},
        "clips": {
            *("sampling", "decoding", "sources"),
            *("splits", "identities", "pipeline"),
        },
        "ahead": set(),
        "inputs": {"sources"},
        "one_video": {"ahead", "sampling", "decoding", "scan"},
        "annotation": {"one_video", "decoding", "scan"},
        "sliding": {"one_video", "ahead", "sampling", "decoding", "scan"},
        "rate": {"clips", "synthetic", "stream"},
        "wanted": {"sources"},
        "check": {"sources", "splits", "identities", "decoding", "wanted"},
        "prepare": {"scan", "sources", "decoding"},
        "pack": {"scan", "sources", "decoding", "identities", "wanted"},
        "show": {"__init__"},
    },
    "model": {
        "video_swin": set(),
        "hub": set(),
        "optimizer": {"replicas"},
        "replicas": set(),
        "traced_once": set(),
        "evaluation": {"replicas"},
        "prediction": {"evaluation", "classifier"},
        "accumulation": set(),
        "training": {"replicas", "accumulation", "optimizer", "traced_once"},
        "classifier": {"training"},
        "weights": {"video_swin", "hub", "classifier"},
        "backbones": {"video_swin", "hub", "weights"},
        "create": {"backbones", "classifier"},
        "memory": {"video_swin"},
        "trained": {"backbones", "classifier", "create", "wanted", "weights"},
        "initial": {"backbones", "trained", "weights"},
        "wanted": {"hub"},
        "convert": {"create", "weights"},
    },
}
# `python -m data.scan` is an entry point: it opens the sources whose files it scans.
PROGRAMS = {"data/scan/__main__.py": {"sources", "decoding"}}
# Heavy or optional libraries, and the only files that may import them.
CONFINED = {
    "av": "data/decoding/",
    "cv2": "data/decoding/",
    "jinja2": "storage/pages.py",
    "matplotlib": (
        "callbacks/plot.py",
        "model/evaluation/picture.py",
        "model/prediction/explanation.py",
        "model/prediction/picture.py",
        "storage/contact_sheets.py",
        "storage/pictures.py",
    ),
    "onnx": "model/weights/onnx_model.py",
    "onnxruntime": "model/weights/onnx_model.py",
    "tf2onnx": "model/weights/onnx_model.py",
    "safetensors": "model/weights/formats.py",
    "tensorflow_datasets": "data/sources/tfds.py",
    "tensorflow_hub": "model/hub/",
    "torch": "model/weights/pytorch.py",
    "wandb": "callbacks/weights_and_biases.py",
}
LONGEST_FILE, LONGEST_FUNCTION = 300, 50


def imports(path):
    """Every module that a file imports, with the names taken from it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module, [alias.name for alias in node.names]


def files(repository, *folders):
    """(package, path, path as text from the checkout) of every file of packages."""
    for package in folders or PACKAGES:
        for path in sorted((repository / package).rglob("*.py")):
            yield package, path, path.relative_to(repository).as_posix()


def room_of(package, module, names, repository):
    """The rooms of a package that an import takes from."""
    parts = module.split(".")
    if len(parts) > 1:
        return {parts[1]}
    inside = {path.stem for path in (repository / package).iterdir()}
    return {name if name in inside else "__init__" for name in names}


def test_packages_import_only_what_lies_below_them(repository):
    for package, _, name in files(repository):
        for module, _ in imports(repository / name):
            other = module.partition(".")[0]
            allowed = {package} | PACKAGES[package]
            assert other not in PACKAGES.keys() - allowed, (
                f"{name} must not import {module}"
            )


@pytest.mark.parametrize("package", ROOMS)
def test_rooms_import_only_the_rooms_they_may(repository, package):
    seen = set()
    for _, path, name in files(repository, package):
        room = path.relative_to(repository / package).parts[0].removesuffix(".py")
        seen.add(room)
        if room == "__init__":
            continue
        others = {"schema"} if package == "configs" else set()  # of an experiment
        allowed = PROGRAMS.get(name) or ROOMS[package].get(room, others)
        for module, names in imports(path):
            if module.partition(".")[0] == package:
                taken = room_of(package, module, names, repository) - {room}
                assert taken <= allowed, f"{name} must not import {module}"
    assert ROOMS[package].keys() <= seen, "a room that is no longer there"


def test_the_schema_needs_the_standard_library_only(repository):
    paths = [path for _, path, _ in files(repository, "configs/schema")]
    for path in (*paths, repository / "configs/command/errors.py"):
        for module, _ in imports(path):
            ours = module.startswith("configs.schema")
            standard = module.partition(".")[0] in sys.stdlib_module_names
            errors = module == "configs.command.errors"
            assert ours or standard or errors, f"{path} must not import {module}"


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_entry_points_import_public_names_only(repository, entry_point):
    for module, names in imports(repository / entry_point):
        package, _, submodule = module.partition(".")
        assert module not in {name[:-3] for name in ENTRY_POINTS}
        if package in PACKAGES.keys() - BELOW:
            assert not submodule, f"{entry_point} must not reach into {module}"
            public = (repository / package / "__init__.py").read_text()
            assert all(f'"{name}"' in public for name in names)


@pytest.mark.parametrize("library", CONFINED)
def test_a_confined_library_is_imported_in_its_room_only(repository, library):
    for _, path, name in files(repository):
        if any(module.partition(".")[0] == library for module, _ in imports(path)):
            assert name.startswith(CONFINED[library]), f"{name} imports {library}"


def test_what_needs_no_tensorflow_does_not_import_it(repository):
    """It takes seconds: `--help`, a scan and the synthetic videos do without."""
    modules = (
        "configs.command.launch, configs.command.flags, data, data.scan.__main__, "
        "data.sampling.plan, data.synthetic, model.memory, storage.files, "
        "storage.run_folder"
    )
    heavy = "{'tensorflow', 'tf_keras', 'tensorflow_datasets', 'matplotlib'}"
    code = f"import sys, {modules}; print(*sorted({heavy} & sys.modules.keys()))"
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == ""


def test_files_and_functions_are_short(repository):
    programs = [repository / name for name in ENTRY_POINTS]
    paths = [path for _, path, _ in files(repository, *PACKAGES, "benchmarks")]
    too_long = []
    for path in programs + paths:
        text = path.read_text()
        if text.count("\n") > LONGEST_FILE:
            too_long.append(str(path))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                if node.end_lineno - node.lineno >= LONGEST_FUNCTION:
                    too_long.append(f"{path}: {node.name}")
    assert not too_long
