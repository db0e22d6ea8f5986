"""The whole story, told with real commands: a service, keys, a repository, one push that lands and many that do not.

Every step says beforehand whether it must succeed, and with which code it must be refused; the demo fails if one
does not. It holds everybody's private keys in one folder, which nobody must do in earnest, and says so.
"""

from __future__ import annotations

import json
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from governance.adapters import clock, resources, settings
from governance.adapters.seat import private_file
from governance.entrypoints import terminal
from governance.entrypoints.playground import Playground
from governance.entrypoints.seated import Seated
from governance.errors import GovernanceError
from governance.tell.reports import periods

REPORTED = 45
"""Lines of the report that are shown: what to do, the figures, what landed and what was refused."""
AGENTS = ("dev-a", "dev-b", "qa-a")


def tell(folder: Path | None, *, serving: bool) -> int:
    """Tell the story; return 0 if every step went as it must. With `serving`, go on until told to stop."""
    found = settings.load()
    listen = found.listen if serving else f"127.0.0.1:{_free_port()}"
    where = Path(tempfile.mkdtemp(prefix="twinseal-")) if folder is None else folder.resolve()
    where.mkdir(parents=True, exist_ok=True)
    play = Playground(where, listen=listen, policy=_policy(where / "policy"))
    try:
        story(play)
        if serving:
            _pages(play)
        _next(play, serving=serving)
        if serving:
            play.wait()
    except GovernanceError as exc:
        terminal.failed(str(exc), code=exc.code, mend=exc.mend, as_json=False)
        return 1
    finally:
        play.close()
        if folder is None and not play.mistakes:
            shutil.rmtree(where, ignore_errors=True)
        elif play.mistakes:
            terminal.tell(f"Kept for a look, private keys and all: {where} (service.log says more)")
    return 1 if play.mistakes else 0


def _policy(folder: Path) -> Path:
    """Write the policy of the demo: the one that ships, but every change is drawn. The story must be told the same."""
    folder.mkdir(exist_ok=True)
    for name in ("policy.yaml", "roles.yaml"):
        text = (resources.folder("policies") / name).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace("\n  percent: 10\n", "\n  percent: 100\n"), encoding="utf-8")
    return folder / "policy.yaml"


def story(play: Playground) -> None:
    """Tell every chapter."""
    terminal.say("Twinseal demo. It holds all private keys and the owner's app in one folder;")
    terminal.say("in earnest each stays where it is used.")
    play.chapter("A service begins, and its first owner enrols")
    play.begin()
    play.chapter("What only a person may do needs a second factor: the owner enrols an authenticator app")
    play.second_factor()
    play.chapter("The owner enrols three agents, in one prompt; each makes its own key and proves that it holds it")
    seats = play.enroll_all(*AGENTS)
    play.chapter("A bare repository is put under governance")
    play.govern("demo", seats)
    dev_a, dev_b, qa_a = seats
    _first_change(play, dev_a, dev_b, qa_a)
    _small_change(play, dev_a)
    _bad_pushes(play, dev_a, dev_b)
    play.chapter("The record: verified, and folded again from the first entry")
    play.owner.twinseal("ledger", "verify")
    play.owner.twinseal("ledger", "rebuild", "--check")
    play.owner.twinseal("ledger", "tail", "-n", "6")
    play.chapter("The day in one report: every morning by mail to the owner, and whenever somebody asks")
    play.owner.twinseal("report", "daily", "--date", str(periods.day_of(clock.now(), "UTC")), most=REPORTED)


def _first_change(play: Playground, dev_a: Seated, dev_b: Seated, qa_a: Seated) -> None:
    play.chapter("dev-a writes 60 lines. Alone they do not land; the answer says where to go")
    dev_a.write("app.py", "".join(f"print('line {n}')\n" for n in range(60)))
    dev_a.commit("Begin the application")
    dev_a.push("HEAD:refs/heads/main", refused="four_eyes.no_change")
    dev_a.push("HEAD:refs/heads/topic/begin")
    play.chapter("An author cannot sign off its own change; two others can, and then the same commit lands")
    dev_a.twinseal("sign-off", "1", "--approve", refused="sign_off.not_eligible")
    dev_b.twinseal("sign-off", "1", "--approve")
    dev_a.push("HEAD:refs/heads/main", refused="four_eyes.missing_sign_offs")
    qa_a.twinseal("sign-off", "1", "--approve")
    play.chapter("One change in ten is drawn for a third review, in this demo every one: who it is, no author can know")
    dev_a.push("HEAD:refs/heads/main", refused="tertiary.drawn")
    seat = str(play.owner.seat)
    play.owner.twinseal("token", "issue", "owner", "--repo", "demo", "--keep", seat)
    play.owner.twinseal("review", "tertiary", "1", "--approve", "--reason", "it does what it says", "--repo", "demo")
    dev_a.push("HEAD:refs/heads/main")


def _small_change(play: Playground, dev_a: Seated) -> None:
    play.chapter("A small signed change is below the threshold: it lands at once")
    dev_a.write("README", "Run it with: python app.py\n")
    dev_a.commit("Say how to run it")
    dev_a.push("HEAD:refs/heads/main")


def _bad_pushes(play: Playground, dev_a: Seated, dev_b: Seated) -> None:
    play.chapter("What does not land")
    dev_a.write("README", "unsigned\n")
    dev_a.commit("No signature", sign=False)
    dev_a.push("HEAD:refs/heads/main", refused="signed_commits.unsigned")
    dev_a.reset()
    dev_b.update()
    dev_b.write("README", "by somebody else\n")
    dev_b.commit("Under another's name", author=dev_a)
    dev_b.push("HEAD:refs/heads/main", refused="signed_commits.not_the_author")
    dev_a.write(".github/workflows/ci.yml", "on: push\n")
    dev_a.commit("One line of CI is high-risk")
    dev_a.push("HEAD:refs/heads/main", refused="four_eyes.no_change")
    dev_a.reset()
    dev_a.push("+HEAD~1:refs/heads/main", refused="ref_rules.protected_rewound")
    dev_a.push(":refs/heads/main", refused="ref_rules.protected_deleted")
    dev_a.push("HEAD:refs/replace/0123", refused="ref_rules.namespace")
    dev_a.push("HEAD:refs/heads/Main", refused="ref_rules.look_alike")


def _pages(play: Playground) -> None:
    """Give the owner a password for the pages, for whoever looks around afterwards."""
    play.chapter("The owner sets a password, to log in to the pages with it and a code")
    file = play.owner.seat / "password"
    private_file(file, clock.token() + "\n")
    play.owner.twinseal("account", "password", "--file", str(file))


def _next(play: Playground, *, serving: bool) -> None:
    play.chapter("What to do next")
    if serving:
        about = json.loads(play.owner.quiet("status", "--json"))
        terminal.say(f"  The service {about['log']} goes on at {play.url}; Ctrl-C stops it and removes all of it.")
        terminal.say(f"  In a browser: log in as owner. Password: {(play.owner.seat / 'password').read_text().strip()}")
        if play.owner.app is not None:
            terminal.say(f"  For the code, give an authenticator app this secret: {play.owner.app.secret}")
        terminal.say("  In another terminal, as the owner:")
        terminal.say(f"    export PATH={Path(sys.executable).parent}:$PATH TWINSEAL_SEAT={play.owner.seat}")
        terminal.say(f"    export TWINSEAL_DATA={play.folder}/data TWINSEAL_STATE={play.folder}/state")
        terminal.say("    twinseal status        twinseal change list --state all        twinseal principal list")
        terminal.say("    twinseal doctor        twinseal report daily                   twinseal otp verify")
    else:
        terminal.say("  make run          the same, and it goes on serving: pages, commands, reports to look at")
        terminal.say("  README.md         put a repository of your own under governance")
        terminal.say("  SECURITY.md       what each rule claims, and what it does not")
    if play.mistakes:
        terminal.failed(
            f"{len(play.mistakes)} steps did not go as they must",
            code="demo.failed",
            mend="\n".join(play.mistakes),
            as_json=False,
        )
    else:
        terminal.done("every step went as it must")


def _free_port() -> int:
    with socket.socket() as asking:
        asking.bind(("127.0.0.1", 0))
        return int(asking.getsockname()[1])
