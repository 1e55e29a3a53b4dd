"""The pages hang together: nothing is left out of the examples, links lead somewhere, the reference is complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

import equip
from docs.page import blocks
from docs.pages import PAGES, ROOT, named

CODE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_code_block_is_met(page: Path) -> None:
    """What a Markdown parser takes for code is what the examples are taken from; code is fenced, not indented."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    assert [token.map[0] + 1 for token in tokens if token.type == "code_block" and token.map] == []
    fences = [(token.map[0] + 1, token.info) for token in tokens if token.type == "fence" and token.map]
    assert fences == blocks(page)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links(page: Path) -> None:
    """Links to files of the project lead somewhere, also to a heading."""
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if heading:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}, link


def test_the_reference_has_every_public_name_once() -> None:
    pages = sorted((ROOT / "docs" / "reference").glob("*.md"))
    found = [name for page in pages for name in re.findall(r"^::: equip\.(\w+)$", page.read_text(), re.MULTILINE)]
    assert sorted(found) == sorted(equip.__all__)
