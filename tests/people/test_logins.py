from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from governance.adapters import clock
from governance.errors import DeniedError
from governance.people import acts, having, logins
from governance.people.factors import Code
from governance.people.logins import FAILURES, FAILURES_DAY, IDLE_MS, LIFE_MS, OPEN_MOST, Attempt
from governance.state import accounts
from login_world import DAY, HOUR, MINUTE, PASSWORD, LoginWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "s" * 43


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LoginWorld]:
    with LoginWorld(tmp_path) as made:
        yield made
        assert made.difference() == ""


def wrong(world: LoginWorld, *, password: str = "wrong", name: str = "", code: str = "") -> None:
    with pytest.raises(DeniedError) as denied:
        world.log_in(password=password, name=name, code=code)
    assert (denied.value.code, str(denied.value)) == ("login.refused", str(logins.refused()))


def test_a_password_and_a_code_open_a_session_which_is_an_entry(world: LoginWorld) -> None:
    found = world.log_in(secret=SECRET)
    entry = world.bodies("kind = 'session.opened'")[-1]
    assert entry["actor"] == {"id": "mia", "kind": "human", "key": ""}
    assert entry["data"]["how"] == "password and code"
    assert (entry["data"]["factor"] != "", entry["data"]["step"] > 0, entry["data"]["count"]) == (True, True, 3)
    assert entry["data"]["expires_at"] == entry["ts"] + LIFE_MS
    assert SECRET not in json.dumps(world.bodies())
    assert logins.session(world.service, SECRET) == found
    assert logins.session(world.service, SECRET[:-1] + "t") is None
    assert logins.session(world.service, found.digest) is None  # What the tables hold opens nothing.


def test_a_passkey_opens_one_alone(world: LoginWorld) -> None:
    mine = world.passkey()
    assert world.by_passkey(mine).how == "passkey"


def test_whatever_is_wrong_the_answer_is_one_and_every_name_is_looked_at(world: LoginWorld) -> None:
    wrong(world)
    wrong(world, name="nobody")
    wrong(world, name="owner")  # Enrolled, without a password.
    wrong(world, name="dev-a")
    wrong(world, name="\0")
    wrong(world, name="mia ")
    wrong(world, password=PASSWORD, code="000000")
    wrong(world, password=PASSWORD, code="six digits")
    assert len(world.passwords.asked) == 8
    assert [bool(encoded) for encoded in world.passwords.asked] == [True, *[False] * 5, True, True]


def test_a_code_is_good_once_for_log_in_and_everything_else(world: LoginWorld) -> None:
    code = world.code("mia")
    world.log_in(code=code)
    world.now -= MINUTE
    wrong(world, password=PASSWORD, code=code)
    assert world.refused(0)[-1] == ("request.refused", "factor.used")
    world.now += MINUTE
    world.log_in()


def test_wrong_passwords_are_counted_by_person_and_a_quarter_of_an_hour_later_are_over(world: LoginWorld) -> None:
    for _ in range(FAILURES):
        wrong(world)
    before = len(world.kinds())
    wrong(world, password=PASSWORD)  # The right one, too late: no entry, and no hint.
    wrong(world)
    assert len(world.kinds()) == before
    world.now += logins.FAILURE_MS
    assert world.log_in().principal == "mia"


def test_in_a_day_there_are_so_many_and_no_success_sets_them_back(world: LoginWorld) -> None:
    for round_ in range(FAILURES_DAY // 4):
        for _ in range(4):
            wrong(world)
        world.now += logins.FAILURE_MS
        if round_ < FAILURES_DAY // 4 - 1:
            world.log_in()
    wrong(world, password=PASSWORD)
    world.now += DAY
    world.log_in()


def test_what_is_held_back_is_the_password_alone(world: LoginWorld) -> None:
    """A stranger who guesses keeps nobody from their passkey, their session or their terminal."""
    mine = world.passkey()
    world.log_in(secret=SECRET)
    for _ in range(FAILURES + 1):
        wrong(world)
    wrong(world, password=PASSWORD)
    assert world.by_passkey(mine).principal == "mia"
    assert logins.session(world.service, SECRET) is not None
    assert world.set_password("mia", "another password of mine")["entry"]


def test_wrong_codes_after_a_right_password_count_as_any_wrong_code(world: LoginWorld) -> None:
    for _ in range(5):
        wrong(world, password=PASSWORD, code="000000")
    assert world.refused(0)[-1] == ("request.refused", "factor.wrong")
    wrong(world, password=PASSWORD)
    assert world.refused(0)[-1] == ("request.refused", "factor.locked")


def test_a_session_ends_when_it_is_idle_and_stays_while_it_is_used(world: LoginWorld) -> None:
    world.log_in(secret=SECRET)
    world.now -= MINUTE
    for _ in range(6):
        world.now += IDLE_MS - 1
        assert logins.session(world.service, SECRET) is not None
    world.now += IDLE_MS
    assert logins.session(world.service, SECRET) is None
    assert world.bodies("kind = 'session.closed'")[-1]["data"]["reason"] == "its time was up"


def test_a_session_ends_after_twelve_hours_however_it_is_used(world: LoginWorld) -> None:
    opened = world.log_in(secret=SECRET)
    while world.now < opened.expires_at - 20 * MINUTE:
        assert logins.session(world.service, SECRET) is not None
        world.now += 20 * MINUTE
    world.now = opened.expires_at
    assert logins.session(world.service, SECRET) is None


@pytest.mark.parametrize("back", [MINUTE, HOUR, DAY])
def test_no_clock_set_back_revives_a_session(world: LoginWorld, back: int) -> None:
    world.log_in(secret=SECRET)
    world.now += LIFE_MS
    assert logins.session(world.service, SECRET) is None
    world.now -= back + LIFE_MS
    assert logins.session(world.service, SECRET) is None
    assert logins.session(world.service, SECRET) is None
    assert world.kinds().count("session.closed") == 1


def test_logging_out_ends_one_and_everywhere_ends_all(world: LoginWorld) -> None:
    secrets = [clock.token() for _ in range(3)]
    for secret in secrets:
        world.log_in(secret=secret)
    first = logins.session(world.service, secrets[0])
    assert first is not None
    logins.end(world.service, first, "logged out")
    logins.end(world.service, first, "logged out")
    assert [logins.session(world.service, each) is None for each in secrets] == [True, False, False]
    assert logins.end_all(world.service, "mia") == 2
    assert not any(logins.session(world.service, each) for each in secrets)
    assert world.kinds().count("session.closed") == 3


def test_one_session_more_than_anybody_needs_ends_the_oldest(world: LoginWorld) -> None:
    mine = world.passkey()
    secrets = [clock.token() for _ in range(OPEN_MOST + 1)]
    for secret in secrets:
        world.by_passkey(mine, secret=secret)
    assert [logins.session(world.service, each) is None for each in secrets] == [True] + [False] * OPEN_MOST


def test_a_new_password_ends_the_sessions_of_the_old_one_and_its_hash_is_erased(world: LoginWorld) -> None:
    world.log_in(secret=SECRET)
    world.set_password("mia", "another password of mine")
    assert logins.session(world.service, SECRET) is None
    assert world.rows("select count(*) from ledger_private where field = 'password'") == [(1,)]
    wrong(world)
    wrong(world, password=PASSWORD)
    world.log_in(password="another password of mine")


def test_who_is_retired_is_out_at_once(world: LoginWorld) -> None:
    mine = world.passkey()
    world.log_in(secret=SECRET)
    said = world.said("principal.retire", "owner", {"name": "mia"})
    acts.retire_principal(world.service, world.caller("owner"), said)
    assert logins.session(world.service, SECRET) is None
    wrong(world, password=PASSWORD)
    with pytest.raises(DeniedError):
        world.by_passkey(mine)


def test_a_removed_factor_takes_the_sessions_it_opened(world: LoginWorld) -> None:
    mine = world.passkey()
    by_key, by_code = clock.token(), clock.token()
    world.by_passkey(mine, secret=by_key)
    world.log_in(secret=by_code)
    (factor,) = [row[0] for row in world.rows("select id from factor where kind = 'passkey'")]
    having.remove(world.service, world.caller("mia"), factor, proof=Code(world.code("mia")))
    assert logins.session(world.service, by_key) is None
    assert logins.session(world.service, by_code) is not None
    with pytest.raises(DeniedError):
        world.by_passkey(mine)


def test_a_challenge_is_ours_fresh_and_used_once(world: LoginWorld) -> None:
    mine = world.passkey()
    text = world.challenge()
    world.by_passkey(mine, challenge=text)
    for other in (text, "", "made up", world.service.vault.seal("something else", b"0")):
        with pytest.raises(DeniedError):
            world.by_passkey(mine, challenge=other or "x")
    late = world.challenge()
    world.now += logins.CHALLENGE_MS + 1
    with pytest.raises(DeniedError):
        world.by_passkey(mine, challenge=late)
    world.by_passkey(mine)


def test_what_a_stranger_shows_as_a_passkey_is_recorded_nowhere_and_locks_nobody_out(world: LoginWorld) -> None:
    mine = world.passkey()
    before = len(world.kinds())
    for _ in range(12):
        with pytest.raises(DeniedError):
            world.by_passkey(mine, origin="https://evil.example")
    for credential in ({}, {"id": 5}, {"id": "%"}, {"id": "YWJj"}):
        with pytest.raises(DeniedError):
            logins.by_passkey(world.service, credential, world.challenge(), secret=SECRET)
    assert len(world.kinds()) == before
    world.by_passkey(mine)
    world.log_in()


def test_guesses_made_at_once_are_counted_like_others(world: LoginWorld) -> None:
    """Forty at once, the right one somewhere in the middle: no more than five wrong ones are ever looked at."""

    def guess(number: int) -> bool:
        password = PASSWORD if number == 30 else f"guess {number}"
        try:
            logins.by_password(world.service, Attempt("mia", password, "000000"), secret=clock.token())
        except DeniedError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(guess, range(40)))
    assert world.kinds().count("session.refused") <= FAILURES


def test_another_persons_hash_under_ones_own_name_opens_nothing(
    world: LoginWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who can write the database puts the hash of a password they know into a victim's place."""
    world.hold_app("owner")
    theirs = world.set_password("owner", "a password that the thief knows")["entry"]
    value = world.rows("select value from ledger_private where seq=? and field='password'", theirs)[0][0]
    with world.service.read() as tx:
        seq, true = accounts.password(tx, "mia")
    monkeypatch.setattr(accounts, "password", lambda _tx, _name: (seq, value))
    wrong(world, password="a password that the thief knows")
    monkeypatch.setattr(accounts, "password", lambda _tx, _name: (seq, true))
    world.log_in()
