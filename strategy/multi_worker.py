"""TensorFlow's strategy for several workers, with what it leaves out."""

import contextlib
import os
import signal

import tensorflow as tf
from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2
from tensorflow.python.distribute import collective_all_reduce_strategy
from tensorflow.python.eager import context

# Seconds without a heartbeat after which TensorFlow ends the collectives of the others.
# Its own limit, 10, is short for a machine that is busy or moved to another host.
HEARTBEAT = 60
# Seconds in which every worker must have found its devices and come to the chief.
# TensorFlow's own limit is an hour, in which it holds the interpreter: no signal and no
# thread would end the process. Eight GPUs that nothing holds open take tens of seconds.
REGISTRATION = 300


def create_multi_worker_strategy(workers, names):
    """Creates a MultiWorkerMirroredStrategy; every worker does so at the same time.

    Gradients are summed by NCCL between GPUs, by TensorFlow's rings over gRPC between
    CPUs.

    Args:
        workers: the `Workers` of the run, two or more.
        names: of this worker's devices, for instance "GPU:0".

    Raises:
        ConfigError: the workers have different devices.
    """
    kind = names[0].partition(":")[0]
    workers.compare("devices", {"kind": kind, "number": len(names)})
    if kind == "GPU":
        gpus = tf.config.list_physical_devices("GPU")
        tf.config.set_visible_devices(gpus[: len(names)], "GPU")
    implementation = tf.distribute.experimental.CommunicationImplementation
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(workers.cluster.addresses)}),
        task_type="worker",
        task_id=workers.index,
        rpc_layer="grpc",
    )
    _pass_by_proxies(workers.cluster.addresses)
    _configure_coordination(workers.count)
    with _devices(names), _kept_signals():
        return tf.distribute.MultiWorkerMirroredStrategy(
            resolver,
            tf.distribute.experimental.CommunicationOptions(
                implementation=implementation.NCCL
                if kind == "GPU"
                else implementation.RING
            ),
        )


def _pass_by_proxies(addresses):
    """Connects workers directly: by way of an HTTP proxy they would wait for ever."""
    hosts = {address.rpartition(":")[0].strip("[]") for address in addresses}
    others = os.environ.get("no_grpc_proxy") or os.environ.get("no_proxy", "")
    os.environ["no_grpc_proxy"] = ",".join([*filter(None, [others]), *sorted(hosts)])


def _configure_coordination(workers):
    """Sets what the strategy would set, but for how long workers wait for one another.

    There is no public way.
    """
    job = coordination_config_pb2.CoordinatedJob(name="worker", num_tasks=workers)
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader="/job:worker/replica:0/task:0",
        cluster_register_timeout_in_ms=1000 * REGISTRATION,
        heartbeat_timeout_in_ms=1000 * HEARTBEAT,
        coordinated_jobs=[job],
    )
    # The chief too waits for the others' registration; otherwise for something later,
    # which has the limit of an hour again and does not see who never came.
    context.context().coordination_service.cluster_register_with_barrier = True


@contextlib.contextmanager
def _devices(names):
    """Has the strategy take all of a worker's devices, as it does with GPUs only."""
    extended = collective_all_reduce_strategy.CollectiveAllReduceExtended
    usual = extended._initialize_local_devices
    kind = names[0].partition(":")[0]
    extended._initialize_local_devices = lambda self, resolver, worker: (
        tuple(f"{worker}/device:{name}" for name in names),
        kind,
    )
    try:
        yield
    finally:
        extended._initialize_local_devices = usual


@contextlib.contextmanager
def _kept_signals():
    """Sets Python's handler of SIGTERM again, which TensorFlow replaces by its own.

    One that comes meanwhile waits for it: this thread blocks it, and all others do.
    """
    handler = signal.getsignal(signal.SIGTERM)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        yield
    finally:
        if handler is not None:  # None: not set by Python, which cannot set it again.
            signal.signal(signal.SIGTERM, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
