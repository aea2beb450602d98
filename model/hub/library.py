"""The library `tensorflow_hub`, imported without a warning that nobody can act on."""

import warnings

with warnings.catch_warnings():
    # Every run would be told that setuptools wants to drop a module that this imports.
    warnings.simplefilter("ignore")
    from tensorflow_hub import KerasLayer, resolve
    from tensorflow_hub.resolver import tfhub_cache_dir

__all__ = ["KerasLayer", "resolve", "tfhub_cache_dir"]
