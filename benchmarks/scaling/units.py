"""Bandwidths and durations as people write them, and numbers as people read them."""

import math
import re

from configs.command.errors import ConfigError

PREFIXES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12} | {
    f"{letter}i": 1024**power for power, letter in enumerate("KMGT", start=1)
}
BITS = {"b": 8, "bit": 8, "B": 1}  # of a unit, how many make a byte
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
NUMBER = r"(\d+(?:\.\d*)?(?:e[+-]?\d+)?)"
# Mb/s, Mbit/s and Mbps are bits, MB/s is bytes; the case of the letters is all there is
# to tell them apart.
BANDWIDTH = re.compile(NUMBER + r" ?([kMGT]|[KMGT]i|)(?:(b|bit|B)/s|(b)ps)")
DURATION = re.compile(NUMBER + rf" ?({'|'.join(SECONDS)})")


def bandwidth(name, text):
    """Bytes per second from a text such as 100Gb/s (bits) or 12.5GB/s (bytes).

    Args:
        name: of the flag, for the message.
        text: a number, an optional prefix (k, M, G, T for powers of 1000; Ki, Mi, Gi,
            Ti for powers of 1024) and b/s, bit/s, bps or B/s.

    Raises:
        ConfigError: it is none, or not above 0.
    """
    match = BANDWIDTH.fullmatch(text)
    value = match and float(match[1]) * PREFIXES[match[2]] / BITS[match[3] or match[4]]
    return _positive(
        value,
        f"--{name} must be a bandwidth above 0 with its unit, Gb/s for bits or GB/s "
        f"for bytes, as in 100Gb/s; received {text!r}.",
    )


def duration(name, text):
    """Seconds from a text such as 10us, 0.5ms or 2s.

    Args:
        name: of the flag, for the message.
        text: a number and s, ms, us or ns.

    Raises:
        ConfigError: it is none, or not above 0.
    """
    match = DURATION.fullmatch(text)
    return _positive(
        match and float(match[1]) * SECONDS[match[2]],
        f"--{name} must be a duration above 0 with its unit, s, ms, us or ns, as in "
        f"10us; received {text!r}.",
    )


def _positive(value, message):
    if value is None or not 0 < value < math.inf:
        raise ConfigError(message)
    return value


def counts(name, texts):
    """Ascending whole numbers from 1 on, from texts.

    Args:
        name: of the flag, for the message.
        texts: list of str.

    Raises:
        ConfigError: one is none, or there is none at all.
    """
    if not texts or not all(re.fullmatch(r"0*[1-9]\d{0,5}", text) for text in texts):
        raise ConfigError(
            f"--{name} must be whole numbers from 1 to 999999, as in 1,2,4; received "
            f"{','.join(texts)!r}."
        )
    return sorted({int(text) for text in texts})


def show_bytes(number):
    """Bytes with a prefix of powers of 1000: 112.8 MB."""
    for prefix, size in reversed(list(PREFIXES.items())[:5]):
        if number >= size:
            return f"{number / size:.4g} {prefix}B"
    return f"{number:.2g} B"


def show_seconds(number):
    """Seconds as s, ms or us: 12.5 ms."""
    unit = "s" if number >= 1 else "ms" if number >= 1e-3 else "us"
    return f"{number / SECONDS[unit]:.3g} {unit}"
