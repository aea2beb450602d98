"""A function of a replica, traced once for all replicas of a process."""

import tensorflow as tf


def traced_once(function, variables):
    """Has replicas share the trace of a function.

    TensorFlow traces what `Strategy.run` is given once for each replica, and optimises
    one graph that holds it as often: before the first step of Swin-T on eight replicas
    that took ten times as long as on one. Here the first replica that calls traces; the
    others call what it has traced, with the handles of their own variables.

    The function depends on the replica by its arguments and by the variables alone. It
    reduces nothing over replicas, and assigns to the copies of its own replica only
    (`model.replicas.assign_own`).

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
        # Of all processes, then of this one, which TensorFlow's default cannot tell.
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
        inputs = [tf.convert_to_tensor(value) for value in tf.nest.flatten(args)]
        forms = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in inputs]
        forms = tf.nest.pack_sequence_as(args, forms)
        key = repr(forms)
        if key not in self._traces:
            self._traces[key] = self._trace(forms)
        trace, captures = self._traces[key]
        if captures is None:
            return self._plain(*args)
        results = tf.raw_ops.StatefulPartitionedCall(
            args=[*inputs, *(own() for own in captures)],
            Tout=[result.dtype for result in trace.outputs],
            f=trace,
        )
        for result, traced in zip(results, trace.outputs, strict=True):
            result.set_shape(traced.shape)
        return tf.nest.pack_sequence_as(trace.structured_outputs, results)

    def _trace(self, forms):
        """Traces on the replica that calls.

        Returns:
            (the trace, functions that return what a replica gives it behind the
            arguments). None instead of these if it holds something that is neither a
            variable nor a constant, such as a table of a SavedModel: TensorFlow would
            let replicas that share one compute one after the other.
        """
        with tf.device(None):  # It gets the device of who calls it.
            trace = self._function.get_concrete_function(*forms)
        variables = {id(variable.handle): variable for variable in self._variables()}
        captures = [_own(value, variables) for value in trace.captured_inputs]
        return trace, None if None in captures else captures


def _own(value, variables):
    """What a replica has in place of a tensor that the traced one has captured.

    Args:
        value: the tensor.
        variables: by the ids of the handles of the traced replica.

    Returns:
        A function, for the replica to call; None if `value` is no variable or constant.
    """
    variable = variables.get(id(value))
    if variable is not None:
        return lambda: variable.handle
    if value.dtype == tf.resource or tf.is_symbolic_tensor(value):
        return None
    return lambda: value
