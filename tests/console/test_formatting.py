import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.console.inbox.formatting import render_formatting

TAGS = {"strong", "em", "del", "code", "a", "q", "span"}


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("plain", "plain"),
        ("*bold* _italic_ ~gone~", "<strong>bold</strong> <em>italic</em> <del>gone</del>"),
        ("*_both_*", "<strong><em>both</em></strong>"),
        ("2*3*4 and snake_case_name", "2*3*4 and snake_case_name"),
        ("* not bold*", "<span class=li><span>•</span><span>not bold*</span></span>"),
        ("*over\ntwo lines*", "*over\ntwo lines*"),
        ("`*as is*`", "<code>*as is*</code>"),
        ("```\na\nb\n```", "<code class=block>a\nb</code>"),
        ("> quoted", "<q>quoted</q>"),
        ("1. one", "<span class=li><span>1.</span><span>one</span></span>"),
        ("<b>&", "&lt;b&gt;&amp;"),
    ],
)
def test_marks_are_rendered_as_whatsapp_does(text: str, html: str) -> None:
    assert render_formatting(text) == html


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("see https://a.example/x?y=1&z=2.", "https://a.example/x?y=1&amp;z=2"),
        ("(http://a.example)", "http://a.example"),
        ("*https://a.example/_x_*", "https://a.example/_x"),
        ('https://a.example/"onclick=x', "https://a.example/"),
    ],
)
def test_addresses_become_links_that_tell_nobody_where_they_came_from(text: str, address: str) -> None:
    html = render_formatting(text)
    assert f'<a href="{address}" rel="noopener noreferrer nofollow" target="_blank">{address}</a>' in html


@pytest.mark.parametrize(
    "scheme", ["javascript:alert(1)", "data:text/html,x", "vbscript:x", "JaVaScRiPt://%0aalert(1)"]
)
def test_other_schemes_stay_text(scheme: str) -> None:
    assert "<a" not in render_formatting(f"{scheme} *{scheme}* <{scheme}>")


class Reader(HTMLParser):
    """What a browser would make of it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


MARKS = ["*", "_", "~", "`", "```", "<", ">", "&", '"', "'", "\n", " ", "> ", "- ", "1. "]
LURES = ["http://", "https://x.y", "<script>", "javascript:", "&lt;", "\ue000", "\ue001", "0", "a", "b", "/", ":"]
PIECES = st.sampled_from(MARKS + LURES)


@given(st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=60))
def test_whatever_is_written_only_our_tags_come_out_and_they_nest(text: str) -> None:
    reader = Reader()
    reader.feed(render_formatting(text))
    reader.close()
    assert reader.open == []
    for tag, attributes in reader.found:
        assert tag in TAGS
        assert attributes.keys() <= {"class", "href", "rel", "target"}
        assert re.match("https?://", attributes.get("href", "http://"), re.IGNORECASE)
