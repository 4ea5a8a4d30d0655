"""The pictures of reports for the README: their first screen, in light and dark.

    python tests/reports/screenshot.py REPORT.html|RESULT.json [FILE.png]

Of a latency report it writes .readme/report.png, of a diagnosis .readme/diagnosis.png,
each with its dark twin beside it.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import sync_playwright

from resgen.reports.forms import rendered
from resgen.reports.readers.files import read

ROOT = Path(__file__).resolve().parents[2]
#: Of the page, in CSS pixels.
WIDTH = 1180


@dataclass(frozen=True)
class Shot:
    """What is left out of a page, and the last that is shown of the rest."""

    name: str
    hidden: str
    last: str


#: The summary, the runs, and where the time goes.
LATENCY = Shot(
    "report.png",
    "nav, #samples, #operators, #environment, #runs figure, #runs label, #parts, "
    "#where label, [data-chart=roofline], #above, footer",
    "#network",
)
#: The verdict, the networks coloured by gradient, and gradient and activation by depth.
DIAGNOSIS = Shot(
    "diagnosis.png",
    "nav, #shares, #paths, #training, #parts, #settings, #environment, footer, "
    "#depth label, #depth > p, figure[data-chart$=_gradient], [data-chart=gain], "
    "[data-chart=alike], [data-chart=correlation], [data-chart=dead]",
    "#variance",
)


def main(page: Path, out: Path | None) -> None:
    """Take the pictures of a page that lies on disk."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"]
        )
        for scheme, suffix in (("light", ""), ("dark", "-dark")):
            view = browser.new_page(
                viewport={"width": WIDTH, "height": 860},
                color_scheme=scheme,
                device_scale_factor=1.5,
            )
            view.goto(page.resolve().as_uri())
            shot = DIAGNOSIS if view.locator("#depth").count() else LATENCY
            view.add_style_tag(content=f"{shot.hidden} {{ display: none !important; }}")
            file = out or ROOT / ".readme" / shot.name
            file.parent.mkdir(parents=True, exist_ok=True)
            last = view.locator(shot.last).bounding_box()
            height = int(last["y"] + last["height"] + 24)
            clip = {"x": 0, "y": 0, "width": WIDTH, "height": height}
            path = file.with_name(f"{file.stem}{suffix}{file.suffix}")
            view.screenshot(path=path, clip=clip, full_page=True)
        browser.close()


if __name__ == "__main__":
    given = [Path(word) for word in sys.argv[1:]]
    out = given[1] if len(given) > 1 else None
    if given[0].suffix == ".html":
        main(given[0], out)
    else:
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.html"
            page.write_text(rendered(read(given[:1]), "html"), "utf-8")
            main(page, out)
