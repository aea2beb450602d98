"""Pages of HTML that need nothing else, in which texts from outside stay text."""

import base64
from pathlib import Path

import jinja2

from configs.command.text import printable


def render(template, **values):
    """Fills in a template.

    Args:
        template: path of a Jinja2 template; what it includes lies beside it.
        values: by the names that it uses; one that is missing is an error.

    Returns:
        str of HTML. A value is text in it, whatever it is made of, unless the template
        says otherwise; through the filter `shown` it is on one line, and characters
        that would be invisible or turn the text round are escapes.
    """
    template = Path(template)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = printable
    return environment.get_template(template.name).render(**values)


def jpeg_url(content):
    """The bytes of a JPEG file as an address that holds them all."""
    return "data:image/jpeg;base64," + base64.b64encode(content).decode()
