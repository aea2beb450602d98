"""Pages of HTML, as tests look at them."""

import html.parser

# Elements without an end tag.
VOID = {"br", "img", "input", "meta"}


class Page(html.parser.HTMLParser):
    """What a page holds; raises where a tag is closed that is not open.

    Attributes:
        tags: of all elements, in order.
        attributes: (tag, name, value) of every attribute.
        texts: pieces of text between tags, without blanks around them.
        pictures: the sources of the pictures.
        open: tags that nothing closes.
    """

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], []
        self.pictures, self.open = [], []
        self.feed(text)
        self.close()

    @property
    def text(self):
        """All its text, with single blanks."""
        return " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attributes]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "img":
            self.pictures.append(dict(attributes)["src"])

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] not in (["style"], ["script"]):
            self.texts.append(data.strip())
