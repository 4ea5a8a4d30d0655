"""The picture of a report for the README: its first screen, in light and dark.

    python tests/report/screenshot.py REPORT.html [FILE.png]

Writes .readme/report.png, and .readme/report-dark.png beside it.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
#: Of the page, in CSS pixels: the summary, the runs, and where the time goes.
SIZE = {"width": 1180, "height": 860}
HIDDEN = (
    "nav, #samples, #operators, #environment, #runs figure, #runs label, #parts, "
    "#where label, [data-chart=roofline], #above"
)
CSS = HIDDEN + " { display: none !important; }"


def main(report: Path, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"]
        )
        for scheme, suffix in (("light", ""), ("dark", "-dark")):
            page = browser.new_page(
                viewport=SIZE, color_scheme=scheme, device_scale_factor=1.5
            )
            page.goto(report.resolve().as_uri())
            page.add_style_tag(content=CSS)
            file = out.with_name(f"{out.stem}{suffix}{out.suffix}")
            last = page.locator("#network").bounding_box()
            height = int(last["y"] + last["height"] + 24)
            clip = {"x": 0, "y": 0, "width": SIZE["width"], "height": height}
            page.screenshot(path=file, clip=clip, full_page=True)
        browser.close()


if __name__ == "__main__":
    given = [Path(word) for word in sys.argv[1:]]
    main(given[0], given[1] if len(given) > 1 else ROOT / ".readme" / "report.png")
