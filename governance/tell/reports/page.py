"""A report as a page: of a mail, or in a file. No script, no link, no picture from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import Any

from governance.tell.reports import events, plots, risks, words
from governance.tell.reports.facts import Report
from governance.tell.reports.periods import DAILY
from governance.tell.reports.safe import safe
from governance.tell.reports.text import SHOWN
from governance.tell.reports.trends import trends


def page(report: Report, drawn: Mapping[str, bytes], *, inline: bool = False, warning: str = "") -> str:
    """Return the page. Its plots are parts of the mail; with `inline`, of the page itself."""
    shown = safe(report)
    about = plots.described(report)
    ordered = sorted(shown.events, key=lambda each: events.GROUPS.index(each.group))
    at = shown.standing
    return str(
        _template().render(
            report=shown,
            warning=warning,
            words=words,
            soon=risks.WORDS,
            shown=SHOWN,
            usual="usually" if report.kind == DAILY else "week before",
            trends=trends(shown),
            plots={name: about[name] for name in drawn},
            source={name: _source(name, data, inline=inline) for name, data in drawn.items()},
            groups=[(group, list(some)) for group, some in groupby(ordered, key=attrgetter("group"))],
            clock=lambda ms: words.clock(ms, report.zone, days=report.kind != DAILY),
            more=lambda count: f"and {count - SHOWN} more in the attached JSON" if count > SHOWN else "",
            stood=(
                ("freezes", at.freezes), ("vetoes", at.vetoes), ("overrides to review", at.overrides),
                ("replies overdue", at.replies), ("third reviews owed", at.thirds), ("under review", at.changes),
                ("findings in force", at.findings),
            ),
        )
    )  # fmt: skip


def _source(name: str, data: bytes, *, inline: bool) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}" if inline else f"cid:{name}"


@cache
def _template() -> Any:  # noqa: ANN401 - the library is loaded with the first page
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - likewise

    loaded = Environment(
        loader=PackageLoader("governance"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return loaded.get_template("report.html")
