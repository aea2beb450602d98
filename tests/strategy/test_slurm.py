"""The workers of a Slurm job step; the tables are worked by hand from its manual."""

import pytest

from configs.command.errors import ConfigError
from strategy.cluster import Cluster, find_cluster
from strategy.slurm import expand_hosts, expand_tasks


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("a", ["a"]),
        ("a,b-gpu", ["a", "b-gpu"]),
        ("n[9-11]", ["n9", "n10", "n11"]),
        ("n[08-10,12],m", ["n08", "n09", "n10", "n12", "m"]),
        ("r[1-2]n[1-2].x", ["r1n1.x", "r1n2.x", "r2n1.x", "r2n2.x"]),
    ],
)
def test_lists_of_hosts(text, hosts):
    assert expand_hosts(text) == hosts


@pytest.mark.parametrize("text", ["", "n[", "n[1-]", "n[a-b]", "n[]", "a b"])
def test_what_is_no_list_of_hosts_is_refused(text):
    with pytest.raises(ConfigError, match="SLURM_STEP_NODELIST must be hosts"):
        expand_hosts(text)


def test_lists_of_tasks():
    assert expand_tasks("2(x3),1") == [2, 2, 2, 1]
    with pytest.raises(ValueError):
        expand_tasks("2(x3")


def step(rank, nodes="n[9-11]", tasks="1(x3)", **others):
    named = {"PROCID": rank, "STEP_NODELIST": nodes, "STEP_TASKS_PER_NODE": tasks}
    named |= {"JOB_ID": 40007, "NTASKS": 3} | others
    return {f"SLURM_{name}": str(value) for name, value in named.items()}


@pytest.mark.parametrize("rank", range(3))
def test_ranks_keep_the_order_of_the_nodes(rank):
    """n9 comes before n10, though not in the order of names."""
    cluster = find_cluster("auto", step(rank, NODEID=rank, LOCALID=0))
    assert cluster == Cluster(("n9:18527", "n10:18527", "n11:18527"), rank)


def test_tasks_of_one_node_have_ports_of_their_own():
    environ = step(2, "a,b", "2,1", NODEID=1, LOCALID=0)
    expected = Cluster(("a:18527", "a:18528", "b:18527"), 2)
    assert find_cluster("slurm", environ) == expected


def test_jobs_and_steps_that_share_a_node_have_ports_of_their_own():
    taken = [
        address
        for job in range(40000, 40100)
        for number in range(4)
        for address in find_cluster(
            "slurm", step(0, "a", "16", JOB_ID=job, STEP_ID=number)
        ).addresses
    ]
    assert len(set(taken)) == len(taken) == 100 * 4 * 16


def test_tasks_that_do_not_fill_the_nodes_in_turn_are_refused():
    with pytest.raises(ConfigError, match="task 1 is number 0 of node 1"):
        find_cluster("auto", step(1, "a,b", "2,1", NODEID=1, LOCALID=0))


@pytest.mark.parametrize(
    "environ",
    [
        step(3),
        step(0, tasks="1(x2)"),
        step(0, tasks="x"),
        step("x"),
        step(0, JOB_ID=""),
    ],
)
def test_variables_that_do_not_belong_together_are_refused(environ):
    with pytest.raises(ConfigError, match="must belong together.*SLURM_PROCID="):
        find_cluster("auto", environ)


def test_one_task_is_alone_and_a_process_without_srun_says_so(caplog):
    assert find_cluster("auto", step(0, "a", "1", NTASKS=1)) is None
    assert not caplog.records
    assert find_cluster("auto", {"SLURM_NTASKS": "4"}) is None
    assert find_cluster("auto", {"SLURM_NTASKS": "4"}) is None
    assert caplog.text.count("was not started by srun: it runs alone") == 1


def test_tf_config_goes_before_slurm():
    config = '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", '
    environ = step(0) | {"TF_CONFIG": config + '"index": 1}}'}
    assert find_cluster("auto", environ) == Cluster(("a:1", "b:1"), 1)
    assert find_cluster("slurm", environ).index == 0
