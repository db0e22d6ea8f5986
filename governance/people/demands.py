"""Whether a person's statement may be acted on without more: the one place that asks for a second factor.

Read under the ledger lock. An agent's statement asks nothing of the tables here.
"""

from __future__ import annotations

from audit.transaction import Transaction
from governance.errors import DeniedError
from governance.limits import HOUR_MS
from governance.people.factors import NONE
from governance.people.statements import Statement
from governance.policy import Kind, Policy
from governance.second_factor import Demand, Held, demanded
from governance.service import Service
from governance.standing import Principal, Roster
from governance.state import factors, prompts
from governance.state.prompts import APPROVED, Prompt
from governance.state.tx import Tx


def demand(tx: Tx, policy: Policy, who: Principal, statement: Statement, *, at: int) -> Demand | None:
    """Return what this statement needs of second factors; None where it needs none."""
    if who.kind is not Kind.HUMAN:
        return None
    holders, body = factors.holders(tx, at), statement.body
    removes = True
    if statement.type == "factor.remove":
        going = next((f for f in factors.held(tx, who.name) if f.id == body.get("factor")), None)
        removes = going is None or going.counts_from <= at
    cool = policy.controls.second_factor.cool_down_hours * HOUR_MS
    counted = factors.counted(tx, at, since=at - cool)
    held = Held(len(counted), who.name in holders, removes)
    return demanded(policy, who, statement.type, body, held, decides=_decides(tx, statement))


def _decides(tx: Tx, statement: Statement) -> str:
    number = statement.body.get("decision")
    if statement.type != "decision.sign" or type(number) is not int or not 0 <= number < 2**53:
        return ""
    row = tx.execute("select kind from decision where seq=?", (number,)).fetchone()
    return str(row[0]) if row else ""


def approved(tx: Transaction, service: Service, who: Principal, statement: Statement) -> Demand | None:
    """Return what the statement needed, once exactly that was approved; None where it needs nothing.

    Raises:
        DeniedError: `factor.none` where this person has no factor in force, `factor.needed` where it was not approved,
            by enough persons who are still here, in a prompt that has not run out.
    """
    if who.kind is not Kind.HUMAN:
        return None
    lock = service.under_lock
    wanted, roster = demand(tx, lock.policy(tx), who, statement, at=tx.now), lock.roster(tx)
    if wanted is None:
        return None
    if any(_good(tx, found, roster, wanted, who) for found in prompts.of_statement(tx, statement.digest)):
        return wanted
    if who.name not in factors.holders(tx, tx.now):
        raise none(tx, who, wanted, at=tx.now)
    people = "a second factor" if wanted.needs == 1 else f"the second factors of {wanted.needs} persons"
    said = f"{statement.type} ({wanted.act}) needs {people}"
    raise DeniedError(said, code="factor.needed", mend="Open a prompt for this very statement: POST /v1/prompts")


def none(tx: Tx, who: Principal, wanted: Demand, *, at: int) -> DeniedError:
    """Return the refusal of who has no factor in force."""
    waits = [factor.counts_from for factor in factors.held(tx, who.name)]
    said = f"{wanted.act} needs a second factor, and {who.name} has none in force"
    if waits:
        return DeniedError(f"{said} for {-(-(min(waits) - at) // 60_000)} min", code="factor.cooling")
    return DeniedError(said, code="factor.none", mend=NONE)


def _good(tx: Transaction, prompt: Prompt, roster: Roster, wanted: Demand, who: Principal) -> bool:
    """Whether this prompt was approved by enough who may still approve, its speaker among them, and has not run out.

    Whose factor was removed or reset meanwhile may not be who approved.
    """
    by = prompts.approvers(tx, prompt.seq)
    here = [name for name in by if (one := roster.get(name)) is not None and not one.retired]
    return (
        prompt.state == APPROVED
        and prompt.for_ == who.name
        and tx.now < prompt.expires_at
        and who.name in here
        and len(here) >= max(wanted.needs, prompt.needs)
    )
