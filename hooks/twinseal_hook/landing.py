"""The facts of a landing: those of any push, and what a sign-off of the landed head was given for.

The lander runs this as a program of its own, so that what it asks with is what the hook would have asked with.
"""

from .changes import Changes
from .gather import gather
from .objects import Objects
from .processes import SERVE, VALUES, WALK, Git
from .ranges import History
from .wire import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .wire import Json


def main(program: str, repository: str, request: str) -> bytes:
    """Return the facts as JSON. ``request`` is ``old new ref exclude head base``; exclude and base may be ``-``.

    Raises:
        Undecided: Something cannot be read.
        Refused: It is too large to be measured.
    """
    old, new, ref, exclude, head, base = request.split(" ")
    git = Git(program, repository, inherited={})
    try:
        early = git.start(*VALUES, ref), git.start(*SERVE), git.start(*WALK)
        facts = gather(git, [(old, new, ref)], [exclude.removeprefix("-")], early=early)
        carried = _carried(git, tip=old, head=head, base=base.removeprefix("-"))
    finally:
        git.stop()
    return encode({**facts, "carried": carried}).encode("ascii")


def _carried(git: Git, *, tip: str, head: str, base: str) -> "dict[str, Json]":
    """Return the head's own change since its base, and the paths that the tip changed since then."""
    objects = Objects(git.start(*SERVE))
    history = History(objects)
    history.read([name for name in (head, base, tip) if name.strip("0")])
    start, ours, theirs = (history.trees.get(name, "") for name in (base, head, tip))
    changes = Changes(objects, [(start, ours), (start, theirs)], zeros="0" * len(head))
    moved = changes.between(start, theirs)[0] if theirs else []
    return {
        "head": head,
        "base": base,
        "tree": ours,
        "net": changes.between(start, ours)[0],
        "theirs": sorted({change[0] for change in moved}),
    }
