"""Stands in for Selectolax, which is written in C: the part that the tests use."""

from bs4 import BeautifulSoup
from bs4 import Tag


class Node:
    def __init__(self, tag):
        self._tag = tag

    def css(self, selector):
        return [Node(tag) for tag in self._tag.select(selector)]

    def css_first(self, selector):
        tag = self._tag.select_one(selector)
        return tag and Node(tag)

    @property
    def attrs(self):
        return self._tag.attrs

    @property
    def attributes(self):
        return dict(self._tag.attrs)

    @property
    def parent(self):
        return Node(self._tag.parent) if isinstance(self._tag.parent, Tag) else None

    @property
    def tag(self):
        return self._tag.name

    @property
    def html(self):
        return str(self._tag)

    def text(self, deep=True, separator="", strip=False):
        return self._tag.get_text(separator, strip=strip)


class LexborHTMLParser(Node):
    def __init__(self, html):
        text = html.decode() if isinstance(html, bytes) else html
        super().__init__(
            BeautifulSoup(text, "html.parser", multi_valued_attributes=None)
        )

    @property
    def body(self):
        return self.css_first("body") or self
