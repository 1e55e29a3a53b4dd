"""The code in the documentation does what the documentation says, on this Python. ``page.py`` has the convention."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

from docs.page import blocks
from docs.pages import PAGES, named, run_page

# The blocks of a page are run together, so they stay in one process of a parallel run.
BLOCKS = [
    pytest.param(page, line, id=f"{named(page)}:{line}", marks=pytest.mark.xdist_group(named(page)))
    for page in PAGES
    for line, _ in blocks(page)
]


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A function from a page to what became of its blocks, by line. Each page is run once, in a folder of its own."""

    @functools.cache
    def run(page: Path) -> dict[int, dict[str, Any]]:
        place = tmp_path_factory.mktemp("page")
        return run_page(page, place)

    return run


@pytest.mark.parametrize(("page", "line"), BLOCKS)
def test_block(page: Path, line: int, outcomes: Any) -> None:
    outcome = outcomes(page)[line]
    if outcome["outcome"] == "skipped":
        pytest.skip(outcome["detail"])
    assert outcome["outcome"] == "passed", f"{named(page)}:{line}\n{outcome['detail']}"
