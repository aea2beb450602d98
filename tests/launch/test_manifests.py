"""The Kubernetes manifest and the container file say what the programs need."""

import copy
import fnmatch
import importlib.metadata
import json
import re
import shlex
import subprocess

import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement

from configs.command.errors import RunError, WorkerError
from data.scan.cache import candidate_paths
from strategy.environment import _commit
from tests.docs.test_commands import check_command
from tests.launch.scripts import LAUNCH
from tests.test_architecture import ENTRY_POINTS, PACKAGES

REPOSITORY = LAUNCH.parent
TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 0}
FLAG = {"type": "boolean"}


def record(required, **fields):
    """The schema of an object with these fields and no other."""
    return {
        "type": "object",
        "properties": fields,
        "required": required.split(),
        "additionalProperties": False,
    }


def one_of(*values):
    """The schema of one of these words."""
    return {"enum": list(values)}


def list_of(item):
    """The schema of a list that is not empty."""
    return {"type": "array", "items": item, "minItems": 1}


# By hand, after the definition of JobSet 0.6 and later (jobset.x-k8s.io/v1alpha2) and
# of batch/v1, as far as the manifest needs them; a misspelt field is no field.
POD_FAILURE_RULE = record(
    "action onExitCodes",
    action=one_of("FailJob", "FailIndex", "Ignore", "Count"),
    onExitCodes=record(
        "operator values",
        containerName=TEXT,
        operator=one_of("In", "NotIn"),
        values=list_of({"type": "integer", "minimum": 1, "maximum": 255}),
    ),
)
JOB = record(
    "template",
    completionMode=one_of("Indexed", "NonIndexed"),
    parallelism=COUNT,
    completions=COUNT,
    backoffLimit=COUNT,
    podReplacementPolicy=one_of("Failed"),  # the one that podFailurePolicy allows
    podFailurePolicy=record("rules", rules=list_of(POD_FAILURE_RULE)),
    template=record("spec", spec={"type": "object"}),
)
RULE = record(
    "name action",
    name={"type": "string", "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"},
    action=one_of("FailJobSet", "RestartJobSet", "RestartJobSetAndIgnoreMaxRestarts"),
    onJobFailureReasons=list_of(
        one_of(
            "BackoffLimitExceeded",
            "DeadlineExceeded",
            "FailedIndexes",
            "MaxFailedIndexesExceeded",
            "PodFailurePolicy",
        )
    ),
)
JOBSET = record(
    "apiVersion kind metadata spec",
    apiVersion=one_of("jobset.x-k8s.io/v1alpha2"),
    kind=one_of("JobSet"),
    metadata=record("name", name=TEXT),
    spec=record(
        "failurePolicy replicatedJobs",
        ttlSecondsAfterFinished=COUNT,
        network=record("", enableDNSHostnames=FLAG, publishNotReadyAddresses=FLAG),
        failurePolicy=record("rules", maxRestarts=COUNT, rules=list_of(RULE)),
        replicatedJobs=list_of(
            record(
                "name template",
                name=TEXT,
                replicas=COUNT,
                template=record("spec", spec=JOB),
            )
        ),
    ),
)


@pytest.fixture
def manifest():
    """The JobSet and the NetworkPolicy."""
    return list(yaml.safe_load_all((LAUNCH / "kubernetes.yaml").read_text()))


@pytest.fixture
def job(manifest):
    """What is said of the workers' Job."""
    (replicated,) = manifest[0]["spec"]["replicatedJobs"]
    assert (replicated["name"], replicated["replicas"]) == ("worker", 1)
    return replicated["template"]["spec"]


@pytest.fixture
def container(job):
    """What is said of the container."""
    (container,) = job["template"]["spec"]["containers"]
    return container


def test_jobset_has_known_fields_only(manifest):
    jsonschema.validate(manifest[0], JOBSET)
    misspelt = copy.deepcopy(manifest[0])
    misspelt["spec"]["failurePolicy"]["maxRestart"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(misspelt, JOBSET)


@pytest.mark.parametrize("version", ["1.29", "1.31", "1.36"])
def test_job_and_policy_are_what_kubernetes_takes(manifest, job, version):
    validator = pytest.importorskip(
        "kubernetes_validate", reason="pip install kubernetes-validate (108 MB)"
    )
    description = {"apiVersion": "batch/v1", "kind": "Job", "spec": job}
    validator.validate(
        {**description, "metadata": {"name": "worker"}}, version, strict=True
    )
    validator.validate(manifest[1], version, strict=True)


def test_faults_end_a_jobset_and_everything_else_restarts_it(manifest, job):
    known = set(RunError.__subclasses__()) - {WorkerError}  # which has another's code
    errors = {error.exit_code for error in known}
    (rule,) = job["podFailurePolicy"]["rules"]
    codes = rule["onExitCodes"]
    assert (rule["action"], codes["operator"]) == ("FailJob", "In")
    assert codes["values"] == sorted(errors - {75})
    assert job["backoffLimit"] == 0
    assert job["template"]["spec"]["restartPolicy"] == "Never"
    policy = manifest[0]["spec"]["failurePolicy"]
    assert policy["maxRestarts"] > 0
    assert [
        (each["action"], each["onJobFailureReasons"]) for each in policy["rules"]
    ] == [
        ("FailJobSet", ["PodFailurePolicy"]),
        ("RestartJobSet", ["BackoffLimitExceeded"]),
    ]


def test_the_number_of_workers_is_said_thrice_and_alike(job, container):
    environ = {each["name"]: each.get("value") for each in container["env"]}
    assert job["completionMode"] == "Indexed"
    assert job["parallelism"] == job["completions"] == int(environ["WORKERS"])


def test_pods_become_one_cluster_and_python_gets_their_signals(
    job, container, tmp_path
):
    python = tmp_path / "python"
    shows = 'echo "$$"; echo $TF_CONFIG; printf "%s\\n" "$@"'
    python.write_text(f"#!/bin/sh\n{shows}\n")
    python.chmod(0o755)
    process = subprocess.Popen(
        [*container["command"], "train.py", "--config=demo", "--workdir=a folder"],
        env={
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "WORKERS": "3",
            "PORT": "29500",
            "JOBSET": "swin",
            "JOB_COMPLETION_INDEX": "1",
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    out, _ = process.communicate()
    number, config, *arguments = out.splitlines()
    hosts = [f"swin-worker-0-{i}.swin" for i in range(3)]
    assert process.returncode == 0
    assert int(number) == process.pid, "a shell would keep SIGTERM to itself"
    assert json.loads(config) == {
        "cluster": {"worker": [f"{host}:29500" for host in hosts]},
        "task": {"type": "worker", "index": 1},
    }
    assert arguments == ["train.py", "--config=demo", "--workdir=a folder"]
    shared = job["template"]["spec"]["shareProcessNamespace"]
    assert shared is True, "the kernel drops signals to process 1"


def test_the_arguments_are_flags_of_train(container):
    check_command(f"python {shlex.join(container['args'])}")
    mounts = [each["mountPath"] for each in container["volumeMounts"]]
    for argument in container["args"]:
        path = argument.partition("=")[2]
        assert not path.startswith("/") or path.startswith(tuple(mounts))
    assert "/dev/shm" in mounts


def test_what_a_scan_finds_is_kept_where_all_pods_can_write(container, monkeypatch):
    environ = {each["name"]: each.get("value") for each in container["env"]}
    monkeypatch.setenv("XDG_CACHE_HOME", environ["XDG_CACHE_HOME"])
    (*_, cached) = candidate_paths("/data/UCF101", "video_scan.json")
    (mount,) = (
        each
        for each in container["volumeMounts"]
        if cached.is_relative_to(each["mountPath"])
    )
    assert not mount.get("readOnly")


def test_pods_are_taken_by_a_restricted_namespace(job, container):
    """Its rules: kubernetes.io/docs/concepts/security/pod-security-standards."""
    pod, own = job["template"]["spec"]["securityContext"], container["securityContext"]
    assert pod["runAsNonRoot"] is True
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_only_the_pods_of_the_run_reach_each_other(manifest):
    jobset, policy = manifest
    labels = {"jobset.sigs.k8s.io/jobset-name": jobset["metadata"]["name"]}
    assert policy["spec"] == {
        "podSelector": {"matchLabels": labels},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": {"matchLabels": labels}}]}],
    }


def test_the_image_holds_the_programs_and_runs_them_as_a_user():
    text = (LAUNCH / "Dockerfile").read_text()
    copied = [
        word
        for line in re.findall(r"^COPY (.*) \S+$", text, re.M)
        for word in line.split()
    ]
    for name in (*ENTRY_POINTS, *PACKAGES, "launch", "pyproject.toml"):
        assert any(fnmatch.fnmatch(name, word) for word in copied), name
    assert all(list(REPOSITORY.glob(word)) for word in copied)
    python = re.search(r"^FROM python:(3\.\d+)-slim", text, re.M)[1]
    requires = (REPOSITORY / "pyproject.toml").read_text()
    assert python in ("3.10", "3.11", "3.12", "3.13") and ">=3.10,<3.14" in requires
    assert re.findall(r"^USER (.*)$", text, re.M) == ["1000:1000"]
    ignored = (LAUNCH / "Dockerfile.dockerignore").read_text().splitlines()[1:]
    assert {".git", ".venv", "runs", "**/__pycache__"} == set(ignored)
    assert not set(ignored) & set(copied)


def test_the_image_knows_its_commit(monkeypatch, tmp_path):
    text = (LAUNCH / "Dockerfile").read_text()
    name = re.search(r"^ENV (\w+)=\$COMMIT$", text, re.M)[1]
    assert '--build-arg COMMIT="$(git rev-parse HEAD)"' in text
    for said, commit in (("12ab", "12ab"), ("", None)):
        monkeypatch.setenv(name, said)
        assert _commit(tmp_path) == {"commit": commit, "modified": None}


def test_the_libraries_of_the_gpu_are_pinned():
    pinned = (REPOSITORY / "constraints.txt").read_text()
    needed = [Requirement(each) for each in importlib.metadata.requires("tensorflow")]
    cuda = [
        each.name
        for each in needed
        if each.marker
        and each.marker.evaluate({"extra": "and-cuda"})
        and not each.marker.evaluate({"extra": ""})
    ]
    assert len(cuda) > 5
    for name in cuda:
        (version,) = re.findall(rf"^{name}==(\S+)", pinned, re.M)
        (requirement,) = (each for each in needed if each.name == name)
        assert version in requirement.specifier
