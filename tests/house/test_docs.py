"""Every relative link in the documentation leads to a file, and to a heading where it names one."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = {"runs", "dist", "build", "node_modules"}
FENCE = re.compile(r"^( *)(`{3,}|~{3,}).*?^ *\2[`~]*$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^\[[^\]^]+\]:\s+<?(\S+?)>?(?:\s+\"[^\"]*\")?$", re.MULTILINE)
HTML_LINK = re.compile(r"<(?:a|img)\b[^>]*?\b(?:href|src)=\"([^\"]+)\"", re.IGNORECASE)
OUTSIDE = re.compile(r"^[a-z][a-z0-9+.-]*:|^//", re.IGNORECASE)


def documents() -> Iterator[Path]:
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in SKIPPED)
        yield from (Path(folder, name) for name in sorted(files) if name.endswith(".md"))


def prose(text: str) -> str:
    """Text without what is shown and not read: code and comments."""
    return CODE.sub("", COMMENT.sub("", FENCE.sub("", text)))


def links(text: str) -> list[str]:
    """Targets of links and images that point inside the project."""
    text = prose(text)
    found = [target for pattern in (LINK, REFERENCE, HTML_LINK) for target in pattern.findall(text)]
    return [target for target in found if not OUTSIDE.match(target)]


def slug(heading: str) -> str:
    """Anchor that a forge gives to a heading: lower case, letters, digits, hyphens."""
    heading = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "").strip().lower()
    kept = (c for c in heading if c in "-_ " or unicodedata.category(c)[0] in "LN")
    return "".join(kept).replace(" ", "-")


def anchors(text: str) -> set[str]:
    """Anchors of a document: its headings, numbered where one repeats, and those set by hand."""
    text = COMMENT.sub("", FENCE.sub("", text))
    seen: dict[str, int] = {}
    found = set(re.findall(r"<a\s+(?:id|name)=\"([^\"]+)\"", text))
    for heading in re.findall(r"^#{1,6}\s+(.+?)\s*#*$", text, re.MULTILINE):
        name = slug(heading)
        found.add(name if name not in seen else f"{name}-{seen[name]}")
        seen[name] = seen.get(name, 0) + 1
    return found


def fault(document: Path, target: str) -> str | None:
    """What is wrong with a link, or None."""
    path_text, _, anchor = unquote(target).partition("#")
    path = (document.parent / path_text).resolve() if path_text else document
    if path != ROOT and ROOT not in path.parents:
        return "leads out of the project"
    if not path.exists():
        return "no such file"
    if anchor and path.suffix == ".md" and anchor not in anchors(path.read_text(encoding="utf-8")):
        return "no such heading"
    return None


DOCUMENTS = list(documents())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_resolve(document: Path) -> None:
    found = {target: fault(document, target) for target in links(document.read_text(encoding="utf-8"))}
    broken = {target: why for target, why in found.items() if why}
    assert not broken


def test_the_main_documents_are_there() -> None:
    names = {str(path.relative_to(ROOT)) for path in DOCUMENTS}
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/README.md"} <= names


def test_every_document_can_be_reached_from_the_index() -> None:
    """Follow links from README.md and docs/README.md; a page in docs/ that nothing leads to is lost."""
    waiting, reached = [ROOT / "README.md", ROOT / "docs" / "README.md"], set()
    while waiting:
        document = waiting.pop()
        if document in reached:
            continue
        reached.add(document)
        for target in links(document.read_text(encoding="utf-8")):
            path = (document.parent / unquote(target).partition("#")[0]).resolve()
            if path.suffix == ".md" and path.is_file():
                waiting.append(path)
    lost = [
        str(path.relative_to(ROOT)) for path in DOCUMENTS if path.is_relative_to(ROOT / "docs") and path not in reached
    ]
    assert not lost


def test_the_checker_sees_faults() -> None:
    text = (
        '# A\n[x](nowhere.md) `[y](not-a-link.md)` <!-- [z](hidden.md) --> [w](https://example.org) <img src="a.png">'
    )
    assert links(text) == ["nowhere.md", "a.png"]
    here = ROOT / "README.md"
    assert fault(here, "nowhere.md") == "no such file"
    assert fault(here, "../outside.md") == "leads out of the project"
    assert fault(here, "CONTRIBUTING.md#there-is-no-such-heading") == "no such heading"
    assert fault(here, "CONTRIBUTING.md") is None


def test_anchors_are_a_forge_s_own() -> None:
    text = "# One `code` & two\n## Same\n## Same\n```\n# not a heading\n```\n### It's 99.9 %\n"
    assert anchors(text) == {"one-code--two", "same", "same-1", "its-999-"}
