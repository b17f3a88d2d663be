import re
from pathlib import Path

import pytest

from hailgate.simulator.page import FILES, STATIC
from simulator.driver import Driver

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("path", FILES)
async def test_every_file_is_served_under_a_strict_policy(sim: Driver, path):
    async with sim.session.get(path) as answer:
        assert (answer.status, answer.content_type) == (200, FILES[path][1])
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


WRITTEN = sorted(file for file in STATIC.iterdir() if file.suffix != ".ogg")


@pytest.mark.parametrize("file", WRITTEN, ids=lambda file: file.name)
def test_no_file_needs_anything_from_outside_or_inline(file: Path):
    text = file.read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|//cdn|@import", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", text)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=\"|<script(?![^>]*\ssrc=)", text)
