"""A small service with limits low enough to reach: each agent may push twice an hour, and so on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from audit.entry import Actor, Draft
from builders import REPOSITORY, a_policy
from governance.coordinate import raising
from governance.limits import DAY_MS
from governance.parameters import RateLimit, RateLimits
from governance.policy_text import describe, from_meaning
from governance.record import Effects, Kind
from governance.review import landing
from governance.state import attempts, read
from lock_world import LockWorld

if TYPE_CHECKING:
    from governance.limits import Window

FEW = RateLimit(hour=3, day=5)
LIMITS = RateLimits(
    push=FEW, sign_off_request=FEW, peer_review=FEW, lock_request=FEW, critical_decision=FEW, message=FEW
)
LIMITED = from_meaning(describe(a_policy(controls=replace(a_policy().controls, rate_limits=LIMITS))))


class LimitWorld(LockWorld):
    """Everything may be tried three times an hour and five times a day."""

    begins_with = LIMITED

    def try_push(self, by: str = "dev-a", *, allowed: bool = False) -> None:
        """Record the decision of a push, as the receiver does."""
        self.decide(Effects(handle="1-1"), ("0" * 40, "1" * 40, "refs/heads/topic/x"), by=by, allowed=allowed)

    def refuse(self, subject: str, by: str = "dev-a") -> None:
        """Record a request that was refused."""
        data = {"code": "x.y", "message": "no"}
        self.append(Draft(Kind.REQUEST_REFUSED, Actor(by, "agent", ""), REPOSITORY, subject, data))

    def window(self, action: str = "push", by: str = "dev-a", *, asked: int = 1, kept: int = 1) -> Window:
        with self.service.read() as tx:
            who = read.roster(tx).principals[by]
            return attempts.window(tx, LIMITED, who, action, now=self.now, asked=asked, kept=kept)

    def counts(self) -> list[tuple[Any, ...]]:
        sql = "select role, operator, action, max(number) from attempt group by role, operator, action order by 1, 2, 3"
        return self.rows(sql)

    def raise_limit(self, by: str = "owner", *, signer: str = "", nonce: str = "", **changed: object) -> dict[str, Any]:
        self.count += 1
        body = {"role": "dev-a", "action": "push", "hour": 10, "day": 20, "until": self.now + DAY_MS} | changed
        said = self.said("limit.raise", by, body, nonce=nonce or str(self.count), signer=signer)
        return raising.raise_limit(self.service, self.caller(by), said)

    def ask_to_land(self, by: str = "dev-a") -> dict[str, Any]:
        self.count += 1
        said = self.said("land", by, {"repository": REPOSITORY}, nonce=str(self.count))
        return landing.ask(self.service, self.caller(by), said, REPOSITORY, here=12345)
