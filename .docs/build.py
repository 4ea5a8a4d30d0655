"""The documentation as a folder of pages that open from disk.

`make docs` runs this. Hand-written pages are Markdown in `pages/`; the catalogue, the
commands, the codes and the Python reference are made from resgen itself. A page holds
no script and no address outside the folder.

    python .docs/build.py [FOLDER [NETWORK...]]    all of the zoo, or these alone
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from catalogue import networks, vocabulary
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from page import Page
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from reference import codes, commands, functions

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

#: What the menu shows: headings, and below each the pages by their address.
MENU = (
    ("Begin", ("index", "tutorial", "weights", "import")),
    (
        "Go on",
        (
            *("precision", "phone", "keras", "measure", "choose", "smaller"),
            *("search", "training"),
        ),
    ),
    ("The language", ("language", "blocks", "operators", "networks")),
    ("Trust", ("proven", "codes")),
    ("Reference", ("commands", "python")),
    ("Take part", ("extending", "contributing", "changelog")),
)


def _written() -> list[Page]:
    """The pages that people wrote, those of `.github/` among them."""
    files = [
        *sorted((HERE / "pages").glob("*.md")),
        ROOT / ".github" / "CONTRIBUTING.md",
        ROOT / ".github" / "CHANGELOG.md",
    ]
    # Where Markdown is read as it lies, a link is to the file of the page.
    to_page = re.compile(r"\]\((?:\.\./\.docs/pages/)?(\w+)\.md(#[^)]*)?\)")
    return [
        Page.of(
            file.stem.lower(), to_page.sub(r"](\1.html\2)", file.read_text("utf-8"))
        )
        for file in files
    ]


def _anchor(text: str) -> str:
    """The address of a heading: its words, joined by hyphens."""
    return re.sub(r"[^\w]+", "-", text.lower()).strip("-")


def _parser() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"highlight": _highlight, "html": True})
    made.enable("table")

    def heading_open(self: RendererHTML, tokens, idx, options, env) -> str:
        token = tokens[idx]
        anchor = _anchor(tokens[idx + 1].content)
        seen = env.setdefault("anchors", {})
        seen[anchor] = seen.get(anchor, 0) + 1
        if seen[anchor] > 1:
            anchor = f"{anchor}-{seen[anchor]}"
        token.attrSet("id", anchor)
        if token.tag == "h2":
            env.setdefault("contents", []).append((anchor, tokens[idx + 1].content))
        return self.renderToken(tokens, idx, options, env)

    def table_open(self: RendererHTML, tokens, idx, options, env) -> str:
        return '<div class="wide"><table>'

    def table_close(self: RendererHTML, tokens, idx, options, env) -> str:
        return "</table></div>"

    made.add_render_rule("heading_open", heading_open)
    made.add_render_rule("table_open", table_open)
    made.add_render_rule("table_close", table_close)
    return made


def _highlight(code: str, name: str, attributes: str) -> str:
    if name not in {"json", "python", "bash", "makefile"}:
        return ""
    return highlight(code, get_lexer_by_name(name), HtmlFormatter(nowrap=True))


def build(out: Path, names: Sequence[str] = ()) -> int:
    """Write the site anew; how many pages it has."""
    shutil.rmtree(out, ignore_errors=True)
    (out / "pictures").mkdir(parents=True)
    for file in (HERE / "style.css", *(HERE / "pages").glob("*.ipynb")):
        shutil.copy(file, out / file.name)
    for picture in (ROOT / ".readme").iterdir():
        shutil.copy(picture, out / "pictures" / picture.name)
    pages = [
        *_written(),
        *vocabulary(),
        *networks(out / "pictures", names),
        codes(),
        commands(),
        functions(),
    ]
    titles = {page.address: page.title for page in pages}
    menu = [(title, [(a, titles[a]) for a in names]) for title, names in MENU]
    template = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("page.html")
    parser = _parser()
    for page in pages:
        env: dict[str, list[tuple[str, str]]] = {}
        body = parser.render(page.text, env)
        file = out / f"{page.address}.html"
        file.parent.mkdir(exist_ok=True)
        file.write_text(
            template.render(
                page=page,
                body=body,
                contents=env.get("contents", []),
                menu=menu,
                root="../" * page.address.count("/"),
            ),
            "utf-8",
        )
    return len(pages)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if sys.argv[1:] else ROOT / "build" / "docs"
    number = build(folder, sys.argv[2:])
    sys.stdout.write(f"{number} pages: open {folder / 'index.html'}\n")
