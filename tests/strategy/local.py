"""Workers as threads of this process, which meet over real sockets."""

import concurrent.futures
import threading

from configs.schema import Runtime
from launch.workers import free_ports, tf_config
from strategy.workers import join_workers

LATE = Runtime(join_minutes=10)


def environ(ports, index, host="127.0.0.1"):
    """The environment of a worker at that index of local ports."""
    return {"TF_CONFIG": tf_config([f"{host}:{port}" for port in ports], index)}


def work(environ, function, runtime=LATE):
    """What `function(workers)` returned or raised, called as one worker."""
    try:
        with join_workers(runtime, environ) as workers:
            return function(workers)
    except Exception as error:
        return error


def start(environ, function, runtime=LATE):
    """Calls `work` in a thread of its own; returns a future."""
    future = concurrent.futures.Future()
    threading.Thread(
        target=lambda: future.set_result(work(environ, function, runtime)), daemon=True
    ).start()
    return future


def run(environs, function, runtime=LATE):
    """Calls `function(workers)` as each worker; what each returned or raised."""
    futures = [start(environ, function, runtime) for environ in environs]
    return [future.result() for future in futures]


def everyone(count, function, runtime=LATE):
    """Calls `function(workers)` as each of so many; what each returned or raised."""
    ports = free_ports(count)
    return run([environ(ports, i) for i in range(count)], function, runtime)
