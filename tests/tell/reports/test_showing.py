"""How a report looks: the most important first, nothing that somebody wrote can act, the same bytes each time."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from rich.cells import cell_len

from governance.tell.reports import events, page, plots, risks, safe, text, trends, words
from governance.tell.reports.facts import Event, Issue, Landed, Open, Refused, Report
from report_world import FIRST, Fleet

LAST = FIRST + timedelta(days=4)
EVIL = (
    "\x1b[2J\u202e<script>alert(1)</script><img src=https://evil.example/x.png>\r\nBcc: all@evil.example\n"
    "\u200bhttp://evil.example"
)


@pytest.fixture(scope="module")
def report(lived: Fleet) -> Report:
    signed = lived.sealed()
    return lived.facts("daily", LAST, signed=signed).issued(Issue(number=5, previous="a" * 64, checkpoint=signed))


def poisoned(report: Report) -> Report:
    """Return the report with something hostile wherever somebody else chooses the words."""
    stood = replace(
        report.standing,
        freezes=(Open(seq=1, since=1, repository=EVIL, what="freeze", said=EVIL),),
        changes=(Open(seq=1, since=1, repository=EVIL, what="change", said=EVIL, overdue=True),),
        observed=(EVIL,),
    )
    event = Event(seq=1, at=report.since, group="stops", kind="x.y", who=EVIL, repository=EVIL, said=EVIL)
    landed = Landed(
        seq=1, at=report.since, repository=EVIL, ref=f"refs/heads/{EVIL}", change=1, title=EVIL, author=EVIL,
        people=(EVIL,), approvers=(EVIL,), third=(EVIL,), commits=1, units=1, files=1, reasons=(EVIL,), high_risk=True,
        how="override",
    )  # fmt: skip
    made = replace(
        report, standing=stood, events=(event,), landed=(landed,), refused=(Refused(control=EVIL, code=EVIL, count=3),),
        refused_most=((EVIL, 3),), about=1, person=EVIL, trail=(event,), log=EVIL,
        issue=replace(report.issue, previous=EVIL, previous_day=EVIL, checkpoint="\x1b[2J\u202e<b>\n"),
    )  # fmt: skip
    return replace(made, risks=risks.ranked(made))


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:  # noqa: ANN401 - as the library has it
        self.found.append((tag, dict(attrs)))


def tags(content: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(content)
    return parser.found


def test_nothing_that_somebody_wrote_acts_on_a_terminal_or_in_a_mail(report: Report) -> None:
    evil = poisoned(report)
    shown = text.plain_text(evil)
    assert not [char for char in shown if not (char.isprintable() or char == "\n")]
    assert "\u202e" not in shown
    assert not re.search(r"https?://", shown)
    content = page.page(evil, plots.plots(evil))
    assert not [char for char in content if not (char.isprintable() or char == "\n")]
    assert "evil.example" in content  # It is told, and harmless.


def test_the_page_has_no_script_no_link_no_form_and_no_picture_from_elsewhere(report: Report) -> None:
    for each in (report, poisoned(report)):
        drawn = plots.plots(each)
        for inline in (False, True):
            found = tags(page.page(each, drawn, inline=inline))
            assert {tag for tag, _ in found} <= {
                "html", "head", "meta", "title", "style", "body", "div", "h1", "h2", "p", "span", "b", "br", "code",
                "pre", "table", "tr", "td", "img",
            }  # fmt: skip
            for tag, attributes in found:
                assert not {name for name in attributes if name.startswith("on") or name in {"href", "action"}}, tag
                assert str(attributes.get("src") or "cid:").startswith(("cid:", "data:image/png;base64,"))
        assert not re.search(r"url\(|@import|https?://", page.page(each, {}))


def test_no_name_becomes_part_of_a_command(report: Report) -> None:
    name = "garden; rm -rf ~ #$(id)`id`'"
    stood = replace(
        report.standing,
        thirds=(Open(seq=7, since=1, repository=name, what="third", said="change 7 of x", overdue=True),),
    )
    (risk,) = [
        each for each in risks.ranked(replace(report, standing=stood)) if each.what == "A third review is overdue"
    ]

    assert shlex.split(risk.do)[-1] == name
    assert len(shlex.split(risk.do)) == 9


@pytest.mark.parametrize("said", ["http://a.b", "HTTPS://a", "javascript:alert(1)", "www.evil.example", "mailto:x@y"])
def test_what_a_mail_program_would_make_a_link_is_none(said: str) -> None:
    assert safe.text(f"see {said}") != f"see {said}"
    assert safe.text("change 7 of main.py: done") == "change 7 of main.py: done"


class TestText:
    def test_says_first_what_matters_most(self, report: Report) -> None:
        shown = text.plain_text(report)
        heads = [
            "cannot wait",
            "WHAT TO DO",
            "IN FIGURES",
            "LANDED, AND WHO",
            "REFUSED, BY",
            "HOW THINGS",
            "THE RECORD",
        ]
        assert [shown.index(head) for head in heads] == sorted(shown.index(head) for head in heads)
        assert shown.index("cannot wait") < 300

    def test_fits_a_narrow_terminal_but_for_commands_and_the_checkpoint(self, report: Report) -> None:
        for line in text.lines(report):
            if line.style != "command" and not line.text.startswith(("\u2014 ", " " * 15 + "$")):
                assert cell_len(line.text) <= text.WIDTH, line

    def test_styles_are_those_that_a_terminal_knows(self, report: Report) -> None:
        from governance.entrypoints.cli.reports import STYLES  # noqa: PLC0415 - the command line, for one name

        assert {line.style for line in text.lines(poisoned(report))} <= {"", *STYLES}

    def test_long_lists_are_cut_and_say_so(self, report: Report) -> None:
        many = replace(report, landed=report.landed[:1] * 40, landed_more=2)
        assert f"and {42 - text.SHOWN} more in the attached JSON" in text.plain_text(many)
        assert f"and {42 - text.SHOWN} more in the attached JSON" in page.page(many, {})

    def test_a_warning_comes_before_everything(self, report: Report) -> None:
        assert text.plain_text(report, warning="It is another.").startswith("  ✗ It is another.")
        content = page.page(report, {}, warning="It is another.")
        assert content.index("It is another.") < content.index("<h1>")


class TestTrends:
    @pytest.fixture
    def found(self, report: Report) -> dict[str, trends.Trend]:
        return {each.label: each for each in trends.trends(report)}

    def test_a_figure_stands_beside_what_is_usual(self, report: Report, found: dict[str, trends.Trend]) -> None:
        refused = found["pushes refused"]
        assert int(refused.now) == report.tallies["refused"]
        before = [counts["refused"] for _, counts in report.history[:-1]]
        assert float(refused.usual) == pytest.approx(sum(before) / 7, abs=0.05)
        assert (refused.up, refused.alarm) == (1, True)

    def test_rates_are_shares(self, found: dict[str, trends.Trend]) -> None:
        assert found["co-signed of asked"].now == "0 % (0 of 1)"
        assert "co-signatures asked" not in found

    @pytest.mark.parametrize(
        ("series", "shown"), [((), ""), ((0, 0), "▁▁"), ((0, 1, 7), "▁▂█"), ((5,), "█"), ((1, 1000), "▂█")]
    )
    def test_bars(self, series: tuple[int, ...], shown: str) -> None:
        assert trends.bars(series) == shown


class TestPlots:
    def test_the_same_facts_give_the_same_bytes_and_nothing_of_the_machine(self, report: Report) -> None:
        import matplotlib as mpl  # noqa: PLC0415 - of this test only

        first = plots.plots(report)
        with mpl.rc_context({"axes.facecolor": "black", "font.size": 30, "savefig.dpi": 10}):
            assert plots.plots(report) == first
        for data in first.values():
            assert data.startswith(b"\x89PNG")
            assert b"tEXt" not in data
            assert b"Software" not in data

    def test_they_stand_on_a_ground_of_their_own(self, report: Report) -> None:
        import io  # noqa: PLC0415 - of this test only

        from matplotlib import image  # noqa: PLC0415 - likewise

        for data in plots.plots(report).values():
            corner = image.imread(io.BytesIO(data))[0, 0]
            assert corner[-1] == 1
            assert min(corner[:3]) > 0.9

    def test_each_is_described_in_words(self, report: Report) -> None:
        drawn = plots.plots(report)
        assert set(plots.described(report)) >= set(drawn)
        assert [a["alt"] for tag, a in tags(page.page(report, drawn)) if tag == "img"] == [
            plots.described(report)[name] for name in drawn
        ]


def test_who_did_it_is_said_once(report: Report) -> None:
    known = replace(report.events[0], group=events.FACTORS, who="owner", repository="")
    both = (replace(known, said="owner has another password"), replace(known, said="froze everything"))
    shown = text.plain_text(replace(report, events=both))
    assert "  owner has another password (entry" in shown
    assert "  owner froze everything (entry" in shown


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("alert.raised", {"message": "a test of mail", "code": "alert.test"}, "told: a test of mail"),
        ("prompt.denied", {"by": "owner", "prompt": 8, "reason": ""}, "owner denied prompt 8"),
        ("prompt.denied", {"by": "owner", "prompt": 8, "reason": "not mine"}, "owner denied prompt 8: not mine"),
    ],
)
def test_what_was_raised_or_denied_is_told_in_plain_words(
    fleet: Fleet, kind: str, data: dict[str, Any], said: str
) -> None:
    entry = fleet.beat()
    found = events.told(replace(entry, kind=kind, data=data))
    assert found is not None
    assert found.said == said


def test_words_name_days_and_times_without_asking_the_machine() -> None:
    assert words.long_day("2026-03-29") == "Sunday 29 March 2026"
    assert words.clock(1_774_746_000_000, "Europe/Berlin", days=True) == "29 Mar 03:00"
    assert words.many(1, "entry", "entries") == "1 entry"


def test_two_people_read_the_same_state_from_any_of_its_forms(report: Report) -> None:
    assert words.mood(report) == "bad"
    assert words.headline(report) in " ".join(page.page(report, {}).split())
    assert str(report.needing) in words.subject(report)
