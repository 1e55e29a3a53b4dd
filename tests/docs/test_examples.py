"""The code in the documentation does what the documentation says, on this Python. ``page.py`` has the convention."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.page import blocks, not_run
from docs.pages import PAGES, named, run_page

NOT_RUN = [(page, line, reason) for page in PAGES for line, reason in not_run(page)]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=named)
def test_page(page: Path, tmp_path: Path) -> None:
    """All blocks of a page but those named below."""
    outcomes = run_page(page, tmp_path)
    failed = [f"{named(page)}:{line}\n{one['detail']}" for line, one in outcomes.items() if one["outcome"] == "failed"]
    assert not failed, "\n".join(failed)
    skipped = {line for line, one in outcomes.items() if one["outcome"] == "skipped"}
    assert skipped == {line for other, line, _ in NOT_RUN if other == page}
    assert list(outcomes) == [line for line, _ in blocks(page)]


@pytest.mark.parametrize("reason", [pytest.param(reason, id=f"{named(page)}:{line}") for page, line, reason in NOT_RUN])
def test_block_that_is_not_run(reason: str) -> None:
    """A block that a page says is not run here: to be seen among the skipped tests, with the reason."""
    pytest.skip(reason)
