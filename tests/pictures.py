"""`make report-pictures`: reports of a fleet that has lived for some days, as they look on narrow and wide screens.

Writes to out/report/: the pages, their plain text, their JSON, and a picture of each in light and dark.
"""

from __future__ import annotations

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from governance.tell.reports import page, plots
from governance.tell.reports.facts import Issue, Report
from governance.tell.reports.text import plain_text
from report_world import FIRST, Fleet, lively

OUT = Path("out/report")
DAYS = 9
WIDTHS = (380, 1000)


def made() -> list[tuple[str, Report]]:
    """Return a bad day, an ordinary one, a quiet one, and a week."""
    with tempfile.TemporaryDirectory() as folder, Fleet(Path(folder)) as fleet:
        lively(fleet, DAYS)
        signed = fleet.sealed()
        last = FIRST + timedelta(days=DAYS - 1)
        wanted = (("bad", "daily", last), ("ordinary", "daily", last - timedelta(days=1)), ("week", "weekly", last))
        return [(name, _placed(fleet.facts(kind, day, signed=signed), signed)) for name, kind, day in wanted]


def _placed(report: Report, signed: str) -> Report:
    before = "4f0c" * 16
    return report.issued(
        Issue(number=9, previous=before, previous_day="2100-01-08", size=report.upto, checkpoint=signed)
    )


def shoot(browser: Browser, name: str) -> None:
    """Write four pictures of one page."""
    for scheme in ("light", "dark"):
        for width in WIDTHS:
            shown = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
            shown.goto((OUT / f"{name}.html").resolve().as_uri())
            shown.screenshot(path=OUT / f"{name}-{width}-{scheme}.png", full_page=True)
            shown.close()


def main() -> None:
    """Make everything anew."""
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, report in made():
            (OUT / f"{name}.html").write_text(page.page(report, plots.plots(report), inline=True), encoding="utf-8")
            (OUT / f"{name}.txt").write_text(plain_text(report), encoding="utf-8")
            (OUT / f"{name}.json").write_bytes(report.document())
            shoot(browser, name)
        browser.close()
    print(f"{len(list(OUT.iterdir()))} files in {OUT}")


if __name__ == "__main__":
    main()
