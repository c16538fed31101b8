"""What mkdocs needs besides docs/ to build the site, as its hook.

Pages that stand outside docs/, the notebook and the Python reference become pages of the site.
Links are written for the repository. On the site they point to its pages, with the page's title
where the text is the name of a file; links to files that are not on the site become plain text.
"""

import ast
import json
import os.path
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

NOTEBOOK = "docs/tutorial.ipynb"
ROOT = Path(__file__).parent.parent
# Pages from outside docs/, and their places on the site.
PAGES = {
    "README.md": "index.md",
    "examples/README.md": "examples.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    NOTEBOOK: "notebook.md",
}
_LINK = re.compile(
    r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?:|#|mailto:)([^)\s#]+)(#[^)\s]*)?\)"
)
_PICTURE = re.compile(
    r'<picture>\s*<source [^>]*srcset="(.*?)">\s*<img src="(.*?)" alt="(.*?)">\s*</picture>'
)
_FENCE = re.compile(r"^(```.*?^```)", re.M | re.S)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    for path, place in PAGES.items():
        text = (ROOT / path).read_text(encoding="utf-8")
        page = adapt(text if path != NOTEBOOK else read_notebook(text), path, place)
        files.append(File.generated(config, place, content=page))
    files.append(File.generated(config, "api.md", content=list_api()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Adapt the links of a page that is in docs/."""
    place = page.file.src_uri
    return markdown if page.file.generated_by else adapt(markdown, f"docs/{place}", place)


def adapt(text: str, path: str, place: str) -> str:
    """The text of a page of the repository with the links of the site.

    Args:
        path: The page in the repository.
        place: The page on the site.
    """
    text = _PICTURE.sub(r"![\3](\1#only-dark)\n![\3](\2#only-light)", text)
    parts = _FENCE.split(text)
    parts[::2] = [
        _LINK.sub(lambda link: _adapt_link(link, path, place), part) for part in parts[::2]
    ]
    return "".join(parts)


def _adapt_link(link: re.Match[str], path: str, place: str) -> str:
    image, text, target, fragment = link.groups("")
    file = os.path.normpath(os.path.join(os.path.dirname(path), target))
    if file not in PAGES and not file.startswith("docs/"):
        return text
    if text in (target, os.path.basename(target)) and target.endswith(".md"):
        text = read_title(ROOT / file)
    found = PAGES.get(file, file.removeprefix("docs/"))
    return f"{image}[{text}]({os.path.relpath(found, os.path.dirname(place) or '.')}{fragment})"


def read_title(path: Path) -> str:
    """The title of a page: its first line."""
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def read_notebook(text: str) -> str:
    """A notebook as Markdown, without outputs."""
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(text)["cells"]]
    parts = [
        source if kind == "markdown" else f"```python\n{source}\n```" for kind, source in cells
    ]
    return "\n\n".join(parts) + "\n"


def list_api() -> str:
    """The page of the Python reference: every public name, by kind."""
    found: dict[str, list[str]] = {"Functions": [], "Classes": [], "Errors": []}
    for node in ast.parse((ROOT / "src/distilwhy/__init__.pyi").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            for name in (alias.name for alias in node.names if not alias.name.startswith("_")):
                kind = (
                    "Errors"
                    if node.module == "errors"
                    else "Classes"
                    if name[0].isupper()
                    else "Functions"
                )
                found[kind].append(f"distilwhy.{node.module}.{name}")
    parts = ["# Python\n\n`import distilwhy as dw` offers these names.\n"]
    for kind, names in found.items():
        parts += [f"## {kind}\n", *(f"::: {name}\n" for name in sorted(names, key=_last))]
    return "\n".join(parts)


def _last(name: str) -> str:
    return name.rpartition(".")[2].lower()
