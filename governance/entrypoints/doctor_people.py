"""What `doctor` says of persons and their second factors."""

from __future__ import annotations

from collections.abc import Iterator

from audit.stores import Connection
from governance.adapters import clock
from governance.entrypoints.findings import Finding
from governance.parameters import ACTS
from governance.state import factors, read

WHAT = "second factor"
FEW_CODES = 3


def factors_of(connection: Connection) -> Iterator[Finding]:
    """Say who has no factor in force, who has only one, and who has nobody to reset it; and what is done without."""
    now, people = clock.now(), [person.name for person in read.roster(connection).humans()]
    holders = factors.holders(connection, now)
    for name in people:
        held = factors.held(connection, name)
        if not held:
            said = f"{name} has none: what needs one is refused to {name}"
            yield Finding("warn", WHAT, said, "At their seat: twinseal otp enroll")
        elif name not in holders:
            yield Finding("warn", WHAT, f"{name} has none that counts yet", "At their seat: twinseal otp list")
        elif len(held) == 1 and factors.recovery_codes(connection, name) < FEW_CODES:
            said = f"{name} has one, and few recovery codes: whoever loses both waits for another person"
            yield Finding("warn", WHAT, said, "At their seat: twinseal otp enroll")
        elif len(held) == 1:
            yield Finding("good", WHAT, f"{name} has one, and recovery codes for when it is lost")
        else:
            yield Finding("good", WHAT, f"{name} has {len(held)}")
    if len(holders) == 1:
        said = f"{holders[0]} alone holds one: thaw and roster need one person, and nobody else can reset it"
        yield Finding("warn", WHAT, said, "Enrol a second person, with a factor.")
    left_out = sorted(set(ACTS) - set(read.policy(connection).controls.second_factor.acts))
    if left_out:
        said = f"the policy asks for none for: {', '.join(left_out)}; a key alone does it"
        yield Finding("warn", WHAT, said, "Name them in second_factor.acts.")
