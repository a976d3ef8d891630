"""Take the documentation's pictures from the report of the embedded trace; needs chromium and the dev extra."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from hodology.files import atomic_path
from hodology.interpret.trace import TraceSettings, trace
from hodology.interpret.trace_output import write_outputs
from hodology.report import write_trace_report

PICTURES = Path(__file__).parent / "pictures"


def main() -> int:
    """Trace the digits and photograph the page."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        print("no program named chromium", file=sys.stderr)
        return 1
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "trace"
        page_file = write_trace_report(write_outputs(trace(TraceSettings(), folder)), folder)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1100, "height": 1010}, device_scale_factor=1.5)
            page.goto(page_file.resolve().as_uri())
            page.locator("#strip [role=option]").nth(3).click()  # its own path is drawn in red
            with atomic_path(PICTURES / "trace.png") as temporary:
                temporary.write_bytes(page.screenshot(type="png"))
            browser.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
