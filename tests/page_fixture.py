"""A page as a test reads it, the elements a page may have, and strings that try to break out of their place."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "hr"}
STATED_TAGS = {
    "a", "blockquote", "body", "caption", "circle", "code", "dd", "desc", "details", "div", "dl", "dt", "footer",
    "h1", "h2", "h3", "h4", "head", "header", "html", "li", "line", "main", "meta", "nav", "ol", "p", "path",
    "rect", "section", "small", "span", "strong", "style", "summary", "svg", "table", "tbody", "td", "text", "th",
    "thead", "title", "tr", "ul",
}
STATED_ATTRIBUTES = {
    "aria-hidden", "aria-label", "aria-labelledby", "charset", "class", "content", "cx", "cy", "d", "data-label",
    "height", "href", "http-equiv", "id", "lang", "name", "open", "preserveaspectratio", "r", "role", "scope",
    "tabindex", "text-anchor", "title", "viewbox", "width", "x", "x1", "x2", "y", "y1", "y2",
}


class Parsed(HTMLParser):
    """A page as its elements, its visible text, and its mistakes in nesting."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.stack: list[str] = []
        self.text: list[str] = []
        self.comments: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if "style" not in self.stack:
            self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</title></style></svg></textarea><svg onload=alert(1)>",
    "--><!-- {{ 7 * 7 }} {% raw %} ]]>",
    "javascript:alert(1)",
    "\x1b[2J\x1b]0;owned\x07\x1b[31m\x9b31m",
    "[bold red]markup[/] [link=file:///etc/passwd]x[/link]",
    "a\u202egnp.\u2066exe\u200b\ufeff\u2028\u0085",
    "\r\n\x00\x7f\tZ̷͎̈́̊͗a̴̢l̸g̶o",
    "=HYPERLINK(1)|cmd' /C calc'!A0",
    "x" * 30_000,
]


def assert_in_its_place(parsed: Parsed) -> None:
    """Whatever a page shows stays what it shows: elements close, none and no attribute is there that is not stated."""
    assert parsed.stack == []
    assert {tag for tag, _ in parsed.elements} <= STATED_TAGS
    assert {name for _, attributes in parsed.elements for name in attributes} <= STATED_ATTRIBUTES
    assert parsed.comments == []
