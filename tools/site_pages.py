"""A hook of mkdocs: pages of the site that are kept elsewhere in the repository, each in one place only.

README.md is the home page; the examples, their programs included, are in ``examples/``. Links are written as they are
right in the repository.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
_KEPT_ELSEWHERE = {"README.md": "index.md", "LICENSE": "LICENSE.txt"}
_FIRST_EXAMPLE = "examples/counter/README.md"
_LINK = re.compile(r"\]\((?P<path>[\w./-]+)(?P<heading>#[\w-]+)?\)")


def on_files(files: Any, config: Any) -> Any:
    """Add what is kept elsewhere to the files of the site."""
    names = dict(_KEPT_ELSEWHERE)
    names |= {(name := path.relative_to(ROOT).as_posix()): name for path in ROOT.glob("examples/*/*.*")}
    for name, place in names.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links as they are in the repository into those of the site."""
    place = page.file.src_uri
    source = next((name for name, known in _KEPT_ELSEWHERE.items() if known == place), None)
    if source is None:
        source = place if place.startswith("examples/") else f"docs/{place}"
    return _LINK.sub(lambda link: f"]({_moved(link['path'], source, place)}{link['heading'] or ''})", markdown)


def _moved(path: str, source: str, place: str) -> str:
    """A link of the file ``source``, from the page that it is at ``place``."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    if (ROOT / target).is_dir():
        target = f"{target}/README.md" if (ROOT / target / "README.md").exists() else _FIRST_EXAMPLE
    target = _KEPT_ELSEWHERE.get(target, target.removeprefix("docs/"))
    return posixpath.relpath(target, posixpath.dirname(place) or ".")
