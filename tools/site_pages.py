"""A hook of mkdocs: pages of the site that are kept elsewhere in the repository, each in one place only.

README.md is the home page; the examples, their programs included, are in ``examples/``. Links in the README are as
from the root of the repository, those of the site as from ``docs``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
_KEPT_ELSEWHERE = {"README.md": "index.md", "LICENSE": "LICENSE.txt"}
_LINKS = [
    (re.compile(r"\]\(docs/"), "]("),
    (re.compile(r"\]\(LICENSE\)"), "](LICENSE.txt)"),
    (re.compile(r"\]\((examples/\w+)\)"), r"](\1/README.md)"),
    (re.compile(r"\]\(examples\)"), "](examples/counter/README.md)"),
]


def on_files(files: Any, config: Any) -> Any:
    """Add what is kept elsewhere to the files of the site."""
    names = dict(_KEPT_ELSEWHERE)
    names |= {(name := path.relative_to(ROOT).as_posix()): name for path in ROOT.glob("examples/*/*.*")}
    for name, place in names.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn the links of the README into those of the site."""
    if page.file.src_uri == "index.md":
        for pattern, replacement in _LINKS:
            markdown = pattern.sub(replacement, markdown)
    return markdown
