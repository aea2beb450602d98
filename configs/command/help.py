"""--help: the flags of a program, by the sections of the experiment."""

import dataclasses
import sys

from absl import app, flags

from configs.schema.experiment import Experiment

flags.disclaim_key_flags()


class Help(app.HelpFlag):
    """--help as absl has it, but by sections, and no error: the exit code is 0."""

    def parse(self, argument):
        """Prints the program's docstring and its flags, and ends it."""
        if self._parse(argument):
            print(sys.modules["__main__"].__doc__)
            own = flags.FLAGS.get_key_flags_for_module(sys.argv[0])
            print(describe(flag for flag in own if flag.name != self.name))
            sys.exit(0)


def define_help():
    """Defines --help, and what absl defines beside it: --helpfull and others."""
    app.define_help_flags()
    help_flag = Help()
    help_flag.allow_override = True
    flags.DEFINE_flag(help_flag)


def describe(program_flags):
    """What --help says of flags.

    Args:
        program_flags: absl flags; those with a dotted name are options of a section.

    Returns:
        Text: the flags without a section, then each section with its own, in the order
        in which they are defined there.
    """
    program_flags = list(program_flags)
    titles = {"": "Flags"} | {
        field.name: f"{field.name}: {field.type.__doc__.splitlines()[0]}"
        for field in dataclasses.fields(Experiment)
        if dataclasses.is_dataclass(field.type)
    }
    parts = []
    for section, title in titles.items():
        own = [f for f in program_flags if f.name.rpartition(".")[0] == section]
        if own:
            parts += [title, "", *map(_entry, own), ""]
    return "\n".join(parts)


def _entry(flag):
    """A flag's name, help, default and type."""
    name = f"--[no]{flag.name}" if flag.boolean else f"--{flag.name}"
    lines = [
        flags.text_wrap(f"{name}: {flag.help}", indent="    ", firstline_indent="  ")
    ]
    if flag.default is not None:
        lines.append(f"    (default: {flag.default_as_str})")
    if flag.parser.syntactic_help:
        text = f"({flag.parser.syntactic_help})"
        lines.append(flags.text_wrap(text, indent="    "))
    return "\n".join(lines)
