"""Real histories: what a repository merged, as reviews. Whoever merged somebody else's work is taken for its reviewer.

Git knows no reviews: this is the nearest that any history has. A commit that somebody else committed counts as well.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from governance.adapters import git
from governance.detect.graph import Review

LOG = "--format=%x01%H%x00%P%x00%at%x00%ct%x00%aE%x00%cE"
MINUTES = 30 * 60
SERVICES = re.compile(r"noreply@github\.com|bot\b|\[bot\]")
DEPTH = 2


def replayed(repository: Path, *, most: int = 20_000) -> list[Review]:
    """Return the reviews of the current branch, oldest first."""
    folder = repository / ".git" if (repository / ".git").exists() else repository
    if folder.is_file():  # A worktree's says where its own is; the history is shared.
        folder = Path(folder.read_text().partition("gitdir: ")[2].strip()).parents[1]
    writers = {
        line[0]: (int(line[1]), line[2])
        for line in (row.split("\0") for row in _git(folder, "--format=%H%x00%at%x00%aE", most).splitlines())
    }
    found = []
    for block in _git(folder, LOG, most, "--first-parent", "-m", "--numstat").split("\x01")[1:]:
        head, _, rows = block.partition("\n")
        review = _review(head.split("\0"), rows, writers)
        if review is not None:
            found.append(review)
    return sorted(found, key=lambda review: review.at)


def _git(folder: Path, form: str, most: int, *more: str) -> str:
    said = git.run(folder, "log", form, f"--max-count={most}", "--no-renames", *more, "HEAD", timeout=300)
    return said.decode("utf-8", "replace")


def _review(head: list[str], rows: str, writers: dict[str, tuple[int, str]]) -> Review | None:
    _, parents, written, committed, author, committer = head
    opened, approver = int(written), committer
    merged = parents.split()[1:]
    if merged:
        if merged[0] not in writers:
            return None
        approver = author if SERVICES.search(committer) else committer
        opened, author = writers[merged[0]]
    if author == approver or SERVICES.search(approver) or SERVICES.search(author):
        return None
    files = [line.split("\t") for line in rows.splitlines() if line.count("\t") == 2]
    units = sum(int(count) for line in files for count in line[:2] if count.isdigit())
    groups = Counter("/".join(line[2].split("/")[:-1][:DEPTH]) for line in files)
    group = groups.most_common(1)[0][0] if groups else ""
    return Review(int(committed) * 1000, author, approver, "approve", max(1, units), opened * 1000, group)
