"""The workers that TF_CONFIG names."""

import json

import pytest

from configs.command.errors import ConfigError
from strategy.cluster import Cluster, count_workers, find_cluster

ADDRESSES = ("a:1", "b:2", "[::1]:3")


def tf_config(cluster, task=None):
    value = {"cluster": cluster} | ({"task": task} if task else {})
    return {"TF_CONFIG": json.dumps(value)}


def task(index, kind="worker"):
    return {"type": kind, "index": index}


@pytest.mark.parametrize("choice", ["auto", "tf_config"])
@pytest.mark.parametrize("index", range(3))
def test_workers_of_tf_config(choice, index):
    environ = tf_config({"worker": ADDRESSES}, task(index))
    assert find_cluster(choice, environ) == Cluster(ADDRESSES, index)


def test_a_chief_is_the_first_worker():
    jobs = {"worker": ["b:2", "c:3"], "chief": ["a:1"]}
    for own, index in ((task(0, "chief"), 0), (task(0), 1), (task(1), 2)):
        found = find_cluster("auto", tf_config(jobs, own))
        assert found == Cluster(("a:1", "b:2", "c:3"), index)


def test_what_operators_add_is_passed_over():
    value = {"cluster": {"worker": ["a:1", "b:2"]}, "task": task(1)}
    value |= {"environment": "cloud", "rpc_layer": "grpc"}
    found = find_cluster("auto", {"TF_CONFIG": json.dumps(value)})
    assert found == Cluster(("a:1", "b:2"), 1)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"TF_CONFIG": ""},
        {"TF_CONFIG": "{}"},
        {"TF_CONFIG": '{"task": {"type": "worker", "index": 0}}'},
        tf_config({}),
        tf_config({"worker": ["a:1"]}, task(0)),
    ],
)
def test_without_other_workers_a_run_is_alone(environ):
    assert find_cluster("auto", environ) is None


def test_none_is_alone_whatever_the_environment_says():
    environ = tf_config({"worker": ADDRESSES}, task(0))
    assert find_cluster("none", environ) is None
    assert find_cluster("none", {"TF_CONFIG": "{"}) is None


@pytest.mark.parametrize("choice", ["tf_config", "slurm"])
def test_what_was_chosen_must_be_there(choice):
    with pytest.raises(ConfigError, match=f"runtime.cluster={choice} needs"):
        find_cluster(choice, {})


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"TF_CONFIG": "{"}, "TF_CONFIG must be JSON such as"),
        ({"TF_CONFIG": "[]"}, "TF_CONFIG must be JSON such as"),
        (tf_config({"worker": "a:1"}, task(0)), "TF_CONFIG must be JSON such as"),
        (tf_config({"worker": ["a:1", "b:1"]}), "must have a task"),
        (tf_config({"worker": ["a:1", "b:1"]}, task(2)), "must have a task"),
        (tf_config({"worker": ["a:1", "b:1"]}, task(-1)), "at `[$].task.index`"),
        (tf_config({"worker": ["a:1", "b:1"]}, task(0, "ps")), "must have a task"),
        (tf_config({"worker": ["a:1"], "ps": ["b:1"]}, task(0)), "received the jobs"),
        (tf_config({"worker": ["a:1", "a:1"]}, task(0)), "'a:1' twice"),
        (tf_config({"worker": ["a:1", "b"]}, task(0)), "host:port, .*; received 'b'"),
        *(
            (tf_config({"worker": ["a:1", f"{host}:1"]}, task(0)), "host:port")
            for host in ("http://b", "b c", "b..c", ".b", "b" * 64, "é", "::1", "[b]")
        ),
        (tf_config({"worker": ["a:1", ":1"]}, task(0)), "host:port"),
        (tf_config({"worker": ["a:1", "b:65536"]}, task(0)), "host:port"),
        (tf_config({"worker": ["a:1", "b:0"]}, task(0)), "host:port"),
        (tf_config({"worker": ["a:1"], "chief": ["b:1", "c:1"]}, task(0)), "one chief"),
    ],
)
def test_a_wrong_description_is_refused_in_one_line(environ, message):
    with pytest.raises(ConfigError, match=message) as error:
        find_cluster("auto", environ)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("host", ["b-1_c.svc.", "10.0.0.1", "[fe80::1%eth0]"])
def test_names_and_addresses_of_hosts(host):
    addresses = ("a:1", f"{host}:1")
    found = find_cluster("auto", tf_config({"worker": addresses}, task(0)))
    assert found == Cluster(addresses, 0)


def test_workers_are_counted():
    assert count_workers("auto", {}) == 1
    assert count_workers("none", tf_config({"worker": ADDRESSES}, task(0))) == 1
    assert count_workers("auto", tf_config({"worker": ADDRESSES}, task(0))) == 3
