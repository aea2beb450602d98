"""A function of a replica, traced once for all replicas of a process."""

import tensorflow as tf
from absl import logging


def traced_once(function, variables):
    """Has replicas share the trace of a function.

    TensorFlow traces what `Strategy.run` is given once for each replica, and optimises
    one graph that holds it as often: the time that takes grows faster than the number
    of replicas. Here the first replica that calls traces; the others call what it has
    traced, with the handles of their own variables.

    The function depends on the replica by its arguments and by the variables alone: it
    may not ask which replica it is on. It reduces nothing over replicas, and assigns to
    the copies of its own replica only (`model.replicas.assign_own`).

    Args:
        function: of structures of tensors; returns a structure of tensors.
        variables: a function that returns all `tf.Variable`s that are read or written.

    Returns:
        The function, for a replica to call. With one replica in this process it is
        called as it is.
    """
    shared = _SharedTraces(function, variables)

    def call(*args):
        strategy = tf.distribute.get_strategy()
        # The default strategy has one replica, and does not tell its devices.
        several = (
            strategy.num_replicas_in_sync > 1
            and len(strategy.extended.worker_devices) > 1
        )
        return shared(*args) if several else function(*args)

    # A function of Python: Keras would put objects that hold TensorFlow's into
    # checkpoints.
    return call


class _SharedTraces:
    """The traces of a function, by the forms of its arguments."""

    def __init__(self, function, variables):
        self._plain = function
        # Not to be put into the graph of each caller, which would copy it again.
        self._function = tf.function(
            function, autograph=False, experimental_attributes={"_noinline": True}
        )
        self._variables = variables
        self._traces = {}

    def __call__(self, *args):
        args = tf.nest.map_structure(tf.convert_to_tensor, args)
        forms = tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), args)
        key = repr(forms)
        if key not in self._traces:
            self._traces[key] = self._trace(forms)
        return self._traces[key](*args)

    def _trace(self, forms):
        """Traces on the replica that calls.

        Returns:
            What all replicas are to call. That is the function itself if it holds
            something that is neither a variable nor a constant, such as a table of a
            SavedModel: TensorFlow would let replicas that share it compute one after
            the other.
        """
        trace = self._function.get_concrete_function(*forms)
        variables = {id(variable.handle): variable for variable in self._variables()}
        captures = [_own(value, variables) for value in trace.captured_inputs]
        if any(capture is None for capture in captures):
            logging.info(
                "%s is traced for each replica: it uses more than variables, such as a "
                "table, which replicas cannot share.",
                self._plain.__name__,
            )
            return self._plain
        trace.set_external_captures(captures)
        return trace


def _own(value, variables):
    """What a replica has in place of a tensor that the traced one has captured.

    Args:
        value: the tensor.
        variables: by the ids of the handles of the traced replica.

    Returns:
        The tensor, or a function that returns the handle of the replica that calls;
        None if `value` is no variable or constant.
    """
    variable = variables.get(id(value))
    if variable is not None:
        return lambda: variable.handle
    shareable = value.dtype != tf.resource and not tf.is_symbolic_tensor(value)
    return value if shareable else None
