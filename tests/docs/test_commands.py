"""The commands in README.md and docs/ name what exists, and run where they can.

They run in the order of the pages, in a folder that links to the checkout, with the
demo shortened to a few steps. A command that cannot run here is excused by a rule.
"""

import ast
import functools
import json
import os
import re
import shlex
import subprocess
import sys

import pytest

from configs.command.flags import experiments
from configs.schema import Experiment
from configs.schema.section import options
from configs.schema.types import parse
from data.synthetic import MOTIONS
from tests.docs.pages import PAGES, REPOSITORY, blocks, commands, each_page, spans

PROGRAMS = {"python", "make", "pip", "source", "tfds", "tensorboard", "pytest"}
PROGRAMS |= {
    "launch/local.sh",
    "launch/ssh.sh",
    "sbatch",
    "scancel",
    "kubectl",
    "docker",
}
LAUNCHED = {
    r"^(sbatch|scancel|kubectl|docker) ": "needs a cluster",
    r"^launch/ssh\.sh ": "needs other hosts: tests/launch",
}
# What a command that cannot run here looks like, and why it cannot.
EXCUSES = {
    r"^make (setup|test|chaos|lint)\b": "installs packages, or runs all the tests",
    r"^(pip install|source) ": "changes the environment",
    r"^tfds ": "downloads UCF101",
    r"^tensorboard ": "serves until it is ended: tests/callbacks",
    **LAUNCHED,
    r"[= ](UCF101|HMDB51|SSV2|K400|videos)\b": "needs a data set that is not here",
    r"\.pth\b": "needs a checkpoint that has to be downloaded",
    r"\.onnx\b": "needs an extra: tests/test_export.py",
    r"\b(VIDEO|CHECKPOINT|DIR)\b": "needs a file of the reader's",
    r"^python check\.py": "is run, and its output compared, by tests/test_check.py",
    r"=(runs|exported)/mine\b": "needs a run on the reader's videos",
    r"\bruns/split[123]\b": "needs three runs of many GPU hours",
    r"=runs/swin_tiny\b": "needs a run of many GPU hours",
}
# A whole training in ten steps of a smaller model.
SHORTENED = (
    "--epochs=1",
    "--optimizer.warmup_epochs=0.5",
    "--data.batch_size=32",
    "--model.depths=1,1",
)
# Runs commands as children of one process that has imported what takes seconds.
LAUNCHER = """
import json, os, runpy, sys
import matplotlib.pyplot, tensorflow, tensorflow_hub, tf_keras
for line in sys.stdin:
    arguments, log = json.loads(line)
    if not os.fork():
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        if arguments[0] == "-m":
            sys.argv, sys.path[0] = arguments[1:], os.getcwd()
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = arguments
            sys.path[0] = os.path.dirname(os.path.realpath(arguments[0]))
            runpy.run_path(arguments[0], run_name="__main__")
        sys.exit()
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""


@functools.cache
def schema():
    """Option -> (type, bounds)."""
    return {
        name: (kind, field.metadata["bounds"])
        for name, kind, field in options(Experiment)
    }


@functools.cache
def flags_of(path):
    """The flags that a program defines: its own, and those of the schema if it does."""
    names = {"help"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            function = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if function.startswith("DEFINE_") or function == "define_path":
                names.add(node.args[0].value)
            elif function in ("define_step", "define_dry_run"):
                names.add(function.removeprefix("define_"))
            elif function == "add_argument":
                names.add(node.args[0].value.removeprefix("--"))
        elif (
            isinstance(node, ast.ImportFrom) and node.module == "configs.command.flags"
        ):
            if any(alias.name == "define" for alias in node.names):
                names |= {"config", "workdir", "dump_config", *schema()}
    return names


def program(words):
    """The file that `python FILE` or `python -m MODULE` runs, and its arguments."""
    if words[1] != "-m":
        return REPOSITORY / words[1], words[2:]
    module = REPOSITORY / words[2].replace(".", "/")
    path = module / "__main__.py" if module.is_dir() else module.with_suffix(".py")
    return path, words[3:]


def check_flag(flag, known):
    """A flag is known and, unless its value stands for another, has a legal value."""
    name, _, value = flag.removeprefix("--").partition("=")
    assert name in known, f"there is no --{name}"
    if not value or "…" in value or re.fullmatch("[A-Z_]+", value):
        return
    if name == "config":
        assert value.endswith((".py", ".json")) or value in experiments(), flag
    elif name in schema():
        kind, bounds = schema()[name]
        assert bounds.allows(parse(value, kind)), flag


def check_command(command):
    """A command names what exists, and only flags that it has."""
    name, *words = shlex.split(command)
    if name == "python":
        path, arguments = program([name, *words])
        assert path.is_file(), command
        for word in arguments:
            if word.startswith("--"):
                check_flag(word, flags_of(path))
    elif name == "launch/local.sh" or excuse(command) in LAUNCHED:
        check_launch(name, words)
    elif name == "make":
        assert words and all(map(recipe_of, words)), command
    elif name == "pytest":
        assert all((REPOSITORY / word).exists() for word in words), command
    elif name == "pip":
        extras = re.findall(r"\[(\w+)\]", command)
        project = (REPOSITORY / "pyproject.toml").read_text()
        assert all(f"\n{extra} = [" in project for extra in extras), command
        assert (REPOSITORY / words[words.index("-c") + 1]).is_file()


def check_launch(name, words):
    """A command that starts something elsewhere names files of launch/ that exist.

    The program that it starts, if any, is checked like a command.
    """
    starts = [i for i, word in enumerate(words) if word.endswith(".py")]
    if starts:
        check_command(shlex.join(["python", *words[starts[0] :]]))
    files = [word for word in (name, *words) if word.startswith("launch/")]
    assert files or name != "sbatch"
    assert all((REPOSITORY / file).is_file() for file in files)


def recipe_of(target):
    """The lines of a target of the Makefile, or [] if there is none."""
    makefile = (REPOSITORY / "Makefile").read_text()
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)*)", makefile, re.MULTILINE)
    if not found:
        return []
    return found[1].replace("$(RUN)", "python").splitlines() or [""]


@each_page
def test_blocks_are_of_a_known_kind(page):
    assert page.read_text().count("```") == 2 * len(blocks(page))
    assert {block.language for block in blocks(page)} <= {"bash", "text", "python"}
    assert {command.split()[0] for command in commands(page)} <= PROGRAMS
    for block in blocks(page):
        if block.language != "bash":
            words = {line.split(" ")[0] for line in block.text.splitlines()}
            assert not words & PROGRAMS, "a command must be in a block of bash"


@each_page
def test_commands_and_flags_exist(page):
    for command in commands(page):
        check_command(command)
    programs = list(REPOSITORY.glob("*.py"))
    for module in (
        "benchmarks/scaling/__main__",
        "benchmarks/step/__main__",
        "callbacks/plot",
        "data/check/__main__",
        "data/pack/__main__",
        "data/prepare/__main__",
        "data/scan/__main__",
        "data/synthetic",
        "model/convert",
        "model/evaluation/compare",
    ):
        programs.append(REPOSITORY / f"{module}.py")
    every_flag = set().union(*map(flags_of, programs))
    for span in spans(page):
        if span.split()[0] in PROGRAMS and " " in span:
            check_command(span)
        elif span.startswith("--"):
            for flag in span.split():
                check_flag(flag, every_flag)


def excuse(command):
    """The rule by which a command is not run here, or None."""
    return next((rule for rule in EXCUSES if re.search(rule, command)), None)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A folder that links to everything of the checkout but what runs have written."""
    folder = tmp_path_factory.mktemp("checkout")
    for path in REPOSITORY.iterdir():
        if not path.name.startswith(".") and path.name != "runs":
            (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="module")
def launch(checkout):
    """Runs a command in a process of its own; returns its exit code and output."""
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER],
        cwd=checkout,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    log = checkout / "log"

    def launch(command):
        name, *arguments = shlex.split(command)
        if "train.py" in arguments:
            arguments += SHORTENED
        if name == "launch/local.sh":
            return launch_local(checkout, arguments)
        assert name == "python", f"neither run nor excused: {command}"
        log.unlink(missing_ok=True)
        process.stdin.write(json.dumps([arguments, str(log)]) + "\n")
        process.stdin.flush()
        return int(process.stdout.readline()), log.read_text()

    yield launch
    process.stdin.close()
    process.wait(30)


def launch_local(checkout, arguments):
    """Runs launch/local.sh; returns its exit code and output."""
    ended = subprocess.run(
        ["bash", "launch/local.sh", *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHON": sys.executable},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return ended.returncode, ended.stdout


@pytest.fixture(scope="module")
def outputs(launch):
    """What each command printed that is not excused, in the order of the pages."""
    printed = {}
    for command in (command for page in PAGES for command in commands(page)):
        if excuse(command):
            continue
        is_target = command.startswith("make ")
        printed[command] = ""
        for line in recipe_of(command.split()[1]) if is_target else [command]:
            code, output = launch(line)
            assert code == 0, f"{line}\n{output[-3000:]}"
            printed[command] += output
    return printed


def test_commands_run(outputs, checkout):
    ran = " ".join(outputs)
    for program in ("make demo", "train.py", "evaluate.py", "predict.py", "export.py"):
        assert program in ran
    assert "launch/local.sh 2" in ran
    assert (checkout / "runs/two_workers/finished.json").is_file()
    for module in ("data.synthetic", "data.scan", "data.show", "model.convert"):
        assert f"-m {module}" in ran
    assert (checkout / "runs/demo/sheets/train.png").is_file()
    assert (checkout / "exported/demo.npz").is_file()


def test_every_excuse_is_needed():
    excuses = {excuse(command) for page in PAGES for command in commands(page)}
    assert excuses - {None} == EXCUSES.keys()


def shape_of(line):
    """A line of output without its numbers and classes, which differ between runs."""
    line = re.sub(r"[\d.,:]+", "#", line)
    line = re.sub(r"(?<=# )([a-z]+)s\b", r"\1", line)  # It may be one of a kind.
    return re.sub(rf"\b({'|'.join(MOTIONS)})\b", "CLASS", line).split()


def shown_output(page):
    """Lines of output, each with the commands of which one must have printed it."""
    before = []
    for block in blocks(page):
        if block.language == "text" and (block.follows or "top-1" in block.text):
            yield from ((line, before) for line in block.text.splitlines())
        before = block.commands or before


def test_output_is_shown_as_it_is_printed(outputs):
    shown = [pair for page in PAGES for pair in shown_output(page)]
    assert len(shown) > 10
    for line, before in shown:
        if all(map(excuse, before)):  # Nothing here has run one of them.
            continue
        output = "\n".join(outputs.get(command, "") for command in before)
        assert shape_of(line) in map(shape_of, output.splitlines()), line
