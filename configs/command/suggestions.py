"""Which flags a name that is none was meant for."""

import difflib


def meant(name, known):
    """The flags that a name was most likely meant for.

    By the first of these that finds any: the flag itself, written with other dashes; an
    option of that name in some section (batch_size: data.batch_size); one whose words
    begin with its letters (lr: optimizer.learning_rate); one spelled nearly so.

    Args:
        name: what was given, without the dashes before it.
        known: the names of all flags.

    Returns:
        Names, likeliest first; empty where nothing is near.
    """
    name = name.replace("-", "_")
    known = sorted(flag for flag in known if len(flag) > 1)
    if name in known:
        return [name]
    options = {}  # by the last part of their names
    for flag in known:
        options.setdefault(flag.rpartition(".")[2], []).append(flag)
    last = name.rpartition(".")[2]
    if last in options:
        return options[last]
    initials = [
        flag
        for option, flags in options.items()
        if "_" in option and _initials(option) == last
        for flag in flags
    ]
    if initials:
        return initials
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return near
    near = difflib.get_close_matches(last, options, n=1)
    return options[near[0]] if near else []


def _initials(option):
    """The first letters of an option's words: lr of learning_rate."""
    return "".join(word[:1] for word in option.split("_"))
