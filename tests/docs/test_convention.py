"""What runs the documentation notices what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.page import blocks
from docs.pages import run_page

TICKS = "```"


def outcome(tmp_path: Path, *parts: str) -> list[str]:
    page = tmp_path / "page.md"
    page.write_text("\n".join(parts).replace("'''", TICKS), encoding="utf-8")
    return [one["outcome"] for one in run_page(page, tmp_path / "run").values()]


@pytest.fixture(autouse=True)
def place(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()


WRONG = [
    "'''python\n1 / 0\n'''",
    "'''python\n>>> 1 + 1\n3\n'''",
    "'''python\n>>> 1 + 1\n2\n>>> 1 + 1\n3\n'''",
    "'''python title='x'\n1\n'''",
    "'''python3\n1\n'''",
    "'''\n1\n'''",
    "'''toml\n1\n'''",
    "'''console\n$ echo one\ntwo\n'''",
    "'''console\n$ echo one\n'''",
    "'''console\n$ true\none\n'''",
    "'''console\necho one\n'''",
    "'''console\n# a remark\n$ echo one\none\n'''",
    "'''console\n$ printf 'a\\nb\\n'\na...b\n'''",
    "- '''console\n  $ echo one\n  two\n  '''",
    "~~~python\n1 / 0\n~~~",
    "````console\n$ echo one\ntwo\n````",
]
RIGHT = [
    "'''python\nimport equip\n'''",
    "'''python\n>>> 1 + 1\n2\n'''",
    "'''console\n$ echo one; echo two\none\ntwo\n'''",
    "'''console\n$ printf '1\\n2\\n3\\n4 and 5\\n'\n1\n...\n4 ... 5\n'''",
    "'''console\n$ echo 'in 0.25 s'\nin ...\n'''",
    "'''console\n$ printf '1 a\\n2\\n3\\n'\n1 ...\n...\n3\n'''",
    "'''console\n$ true\n$ false\n'''",
    "'''text\n1 / 0\n'''",
    "'''toml\n# settings.toml\n'''",
]


def test_what_is_wrong_fails(tmp_path: Path) -> None:
    outcomes = outcome(tmp_path, *(f"\n{block}\n" for block in WRONG))
    assert [block for block, one in zip(WRONG, outcomes, strict=True) if one != "failed"] == []


def test_what_is_right_passes(tmp_path: Path) -> None:
    outcomes = outcome(tmp_path, *(f"\n{block}\n" for block in RIGHT))
    assert [block for block, one in zip(RIGHT, outcomes, strict=True) if one != "passed"] == []


def test_blocks_share_folder_and_namespace(tmp_path: Path) -> None:
    page = [
        "'''python\n# shop/prices.py\ndef total(): return 7\n'''",
        "'''python\nfrom shop.prices import total\n'''",
        "'''python\n>>> total()\n7\n'''",
        "'''console\n$ python -c 'from shop import prices; print(prices.total())'\n7\n'''",
    ]
    assert outcome(tmp_path, *page) == ["passed"] * 4


def test_a_skip_has_a_reason_and_is_for_one_block(tmp_path: Path) -> None:
    block = "\n'''python\n1 / 0\n'''\n"
    page = ['<!-- skip: next "why" -->', block, block, "<!-- skip: next if(python < (4, 0), reason='old') -->", block]
    page += ["<!-- skip: next if(python < (3, 0), reason='older') -->", block]
    assert outcome(tmp_path, *page) == ["skipped", "failed", "skipped", "failed"]


@pytest.mark.parametrize("comment", ["skip: next", "skip: start", 'skip: start "why"', "skip: end"])
def test_a_skip_without_a_reason_is_refused(comment: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"<!-- {comment} -->\n\n{TICKS}python\n1 / 0\n{TICKS}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"page\.md:1: a skip is for the next block"):
        blocks(page)


def test_a_name_in_the_middle_names_no_file(tmp_path: Path) -> None:
    assert outcome(tmp_path, "'''python\n1\n# shop.py\n'''") == ["passed"]
    assert not (tmp_path / "run" / "page" / "shop.py").exists()


def test_blocks_are_found_by_line(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"one\n\n{TICKS}python\n1\n{TICKS}\n\n- {TICKS}console\n  $ ls\n  {TICKS}\n", encoding="utf-8")
    assert blocks(page) == [(3, "python"), (7, "console")]
