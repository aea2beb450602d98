"""Whether a run will fit in memory, said before its first step; without TensorFlow."""

import dataclasses
import functools

from absl import logging

from configs.schema.experiment import divisors
from model.video_swin.memory import GIB, USABLE, activation_bytes, peak_bytes
from model.video_swin.parameters import count_parameters

PRICES = {
    "model.recompute": "",
    "runtime.precision": ", another result, fixed once a run has begun",
    "runtime.accumulation_steps": "",
    "data.batch_size": ", another result, fixed once a run has begun",
}


def log_what_fits(config, clips, strategy, memory, folder):
    """Logs one line: what an update takes, and what makes it fit where it does not.

    Args:
        config: the `configs.schema.Experiment`, resolved.
        clips: the `data.clips.Clips` of the run.
        strategy: its `tf.distribute.Strategy`.
        memory: bytes that each replica may use; None where that is not known.
        folder: the run's folder.
    """
    fits, line = what_fits(
        config,
        len(clips.class_names),
        replicas=strategy.num_replicas_in_sync,
        memory=memory,
        begun=folder.has_checkpoint,
        on_cpu="GPU" not in strategy.extended.worker_devices[0],
    )
    logging.log(logging.INFO if fits else logging.WARNING, "%s", line)


def what_fits(config, classes, *, replicas, memory, begun, on_cpu=False):
    """Whether a run is expected to fit, and the line that says so.

    Args:
        config: the `configs.schema.Experiment`, resolved.
        classes: how many the head tells apart.
        replicas: of all workers.
        memory: bytes that each replica may use; None where that is not known.
        begun: whether the run is continued, so that some options cannot change.
        on_cpu: whether replicas are CPU devices.

    Returns:
        (bool, str).
    """
    clips = _clips_at_once(config, replicas)
    device = "unknown" if memory is None else _bytes(memory)
    shared = f"{clips} at once on each replica, whose memory is {device}"
    if config.model.architecture is None:
        text = "Memory: a SavedModel that runs as it is has no estimate; clips: "
        return True, f"{text}{shared}."
    need = _peak(config, classes, replicas, on_cpu)
    activations = activation_bytes(config.model, **_case(config, on_cpu))
    xla = ", without XLA" if config.runtime.jit_compile else ""
    line = (
        f"Memory: {count_parameters(config.model, classes) / 1e6:.1f} M parameters, "
        f"about {_bytes(activations)} of activations a clip "
        f"({config.runtime.precision}, recompute={config.model.recompute}{xla}), "
        f"clips: {shared}; an update takes about {_bytes(need)}."
    )
    if memory is None or need <= USABLE * memory:
        return True, line
    peak = functools.partial(_peak, classes=classes, replicas=replicas, on_cpu=on_cpu)
    remedies = _remedies(_choices(config, replicas), config, peak, memory, begun)
    if not remedies:
        return False, f"{line} It will not fit, whatever the options are."
    return False, (
        f"{line} It will not fit, and would with one of these, by what they cost: "
        f"{'; '.join(remedies)}."
    )


def _case(config, on_cpu):
    return {
        "frames": config.data.frames,
        "size": config.data.size,
        "precision": config.runtime.precision,
        "on_cpu": on_cpu,
    }


def _clips_at_once(config, replicas):
    return config.data.batch_size // (replicas * config.runtime.accumulation_steps)


def _peak(config, classes, replicas, on_cpu):
    """Bytes that an update of an `Experiment` takes on each replica."""
    return peak_bytes(
        config.model,
        classes,
        **_case(config, on_cpu),
        clips=_clips_at_once(config, replicas),
        parts=config.runtime.accumulation_steps,
    )


def _remedies(lists, config, peak_of, memory, begun):
    """Flags that make the run fit, each with what it then takes, the cheapest first."""
    found = {}
    for choices in lists:
        for flags in choices:
            if begun and any(PRICES[name] for name in flags):
                continue
            # Less of the same, or some of the same alone, is enough.
            if any(set(other) <= flags.keys() for other in found):
                break
            peak = peak_of(_changed(config, flags))
            if peak <= USABLE * memory:
                shown = " ".join(f"--{name}={value}" for name, value in flags.items())
                price = "".join(PRICES[name] for name in flags)
                found[tuple(flags)] = f"{shown} ({_bytes(peak)}{price})"
    return list(found.values())


def _choices(config, replicas):
    """Flags that may help, by what they cost, in lists of those of one kind.

    A little time; digits of the result; more time; fewer clips at once, which keep a
    device less busy; a smaller batch.
    """
    attention, block = ({"model.recompute": kind} for kind in ("attention", "block"))
    low = {"runtime.precision": "mixed_bfloat16"}
    batch, now = config.data.batch_size, config.runtime.accumulation_steps
    parts = [
        {"runtime.accumulation_steps": count}
        for count in divisors(batch // replicas)
        if count > now
    ]
    batches = range(batch - replicas * now, 0, -replicas * now)
    floats = config.runtime.precision == "float32"
    return [
        *([attention], [low] * floats, [attention | low] * floats),
        *([block], [block | low] * floats),
        *(parts, [block | part for part in parts]),
        [{"data.batch_size": size} for size in batches],
    ]


def _changed(config, flags):
    """An `Experiment` with other values of some of its options, by dotted name."""
    for name, value in flags.items():
        section, option = name.split(".")
        changed = dataclasses.replace(getattr(config, section), **{option: value})
        config = dataclasses.replace(config, **{section: changed})
    return config


def _bytes(count):
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{count / 2**20:.0f} MiB"
