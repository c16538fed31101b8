"""Reads a report's page as text."""

import json
from html.parser import HTMLParser


class Page(HTMLParser):
    """What stands in a page: its tags, headings, the text of each section and of each script."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.headings, self.scripts = [], [], [], []
        self.sections, self.text = {}, ""
        self._section = self._heading = self._script = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag in ("td", "th", "dt", "dd", "div", "p", "li", "svg", "text"):
            self.handle_data(" ")
        if tag == "section":
            self._section = dict(attrs)["id"]
            self.sections[self._section] = ""
        if tag == "script":
            self.scripts.append("")
        if tag in ("h1", "h2", "h3"):
            self.headings.append([tag, ""])
            self._heading = tag

    def handle_endtag(self, tag):
        if tag == self._heading:
            self._heading = None
        if tag == "section":
            self._section = None

    def handle_data(self, data):
        if self.cdata_elem == "script":
            self.scripts[-1] += data
        elif self.cdata_elem != "style":
            self.text += data
            if self._heading:
                self.headings[-1][1] += data
            if self._section:
                self.sections[self._section] += data

    @property
    def rows(self):
        """The test rows that it keeps."""
        return [row for chunk in self.scripts[1:-1] for row in json.loads(chunk)]


def squeeze(text):
    return " ".join(text.split())
