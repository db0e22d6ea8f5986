"""Every attack we know of on a push, its changes, its approvals and its signatures: what the score card has rows for.

L is the ledger's own list: what somebody does who reaches its data, its keys or its reader.
G, P, A and K are the tables of the literature (hooks of gitolite, GitHub, GitLab, Gerrit, Gitea, gittuf, policy-bot,
git-proxy; their advisories and reports); X is what git accepts and a person would not see, found by looking further.
A row stays when its attack does not apply here, and says why: then no test may claim it.
"""

from __future__ import annotations

from adversary import rows_gates, rows_locks
from adversary.row import Row
from adversary.rows_browser import BROWSER
from adversary.rows_channels import CHANNELS
from adversary.rows_debt import DEBT
from adversary.rows_detect import DETECTION
from adversary.rows_draws import DRAWS
from adversary.rows_factors import FACTORS
from adversary.rows_reports import REPORTS
from adversary.rows_stops import STOPS
from adversary.rows_tell import TELL

CONTROLS = frozenset(
    {
        "freeze",
        "ref_rules",
        "proposals",
        "signed_commits",
        "four_eyes",
        "gates",
        "authority",
        "messages",
        "rate_limits",
        "unreviewed_debt",
        "small_changes",
        "vetoes",
        "stops",
        "write_lock",
        "acts",
        "locks",
        "tertiary",
        "override",
        "identity",
        "hook",
        "front",
        "reconciler",
        "facts",
        "limits",
        "git",
        "ledger",
        "verifier",
        "canary",
        "detection",
        "policy",
        "sessions",
        "pages",
        "passkeys",
        "tokens",
        "second_factor",
        "two_channels",
        "reports",
        "alerts",
    }
)
"""Who answers: a control of `governance/controls`, or another room. `git` is git itself, under our settings.
`stops` is who may veto and freeze, and what reaches a push under way. `authority` is the table of who may decide what,
and whoever asks it; `messages` the registry of messages.
`facts` is the strict reading of what the hook gathered, before any control is asked.

`policy` is the strict reading of its files, before it is put in force.
`sessions` is who is logged in to the pages, `pages` what a page takes and gives, `tokens` what one is good for.

`acts` is what is asked before a statement is acted on, `locks` the queue of the write lock.

`alerts` is who is told of what, and how it reaches them.
`reports` is what is told of a day, and that it can be held against the ledger.

`ledger` is its append path and its opening, `verifier` the one file that judges it from outside.
"""

TEN = (
    ("1 Four eyes", ("four_eyes", "proposals", "override", "authority", "gates")),
    ("2 Signed commits", ("signed_commits", "identity", "facts", "ref_rules")),
    ("3 Message registry", ("messages",)),
    ("4 Write lock", ("write_lock", "locks")),
    ("5 Veto and freeze", ("freeze", "vetoes", "stops", "reconciler")),
    ("6 Collusion detection", ("detection", "canary")),
    ("7 Tertiary review", ("tertiary",)),
    ("8 Cumulative change", ("unreviewed_debt", "small_changes")),
    ("9 Rate limits", ("rate_limits", "limits")),
    ("10 Second factor", ("second_factor", "passkeys", "two_channels")),
    (
        "What stands around them",
        (
            "sessions",
            "pages",
            "tokens",
            "acts",
            "policy",
            "hook",
            "front",
            "git",
            "ledger",
            "verifier",
            "alerts",
            "reports",
        ),
    ),
)
"""The ten controls as people speak of them, and who answers for each."""

IS_THE_RECORD = "what is attacked is the record itself"
NOT_PUSHED = "the verifier is asked alone; what it says to a push or an enrolment is recorded there"
NOT_IN_FORCE = "the file is not read, so nothing was asked"
NOT_ASKED = "git ends the push before it asks anybody"


def _not(id_: str, title: str, why: str) -> Row:
    return Row(id_, title, not_here=why)


WIRE = (
    Row("G-01", "laundered through an unprotected branch", "four_eyes", "rev-list new --not --all (gitolite VREF)"),
    Row("G-02", "a protected branch made of laundered commits", "four_eyes", "creation as nothing to review (GitHub)"),
    Row("G-03", "0→0 deletes a protected branch", "ref_rules", "receive.denyDeletes=true of git itself"),
    Row("G-04", "a deletion that lies about the old value", "ref_rules", "hooks that ask about old and fail open"),
    Row("G-05", "an update that lies about the old value", "ref_rules", "hooks that diff what the push claims"),
    Row("G-06", "several refs, of which one cannot move", "four_eyes", "logs written in pre-receive"),
    Row("G-07", "the first ref's answer used for the second", "four_eyes", "Gitea before #38103"),
    Row("G-08", "a replacement hides the commit from the hook", "ref_rules", "hooks without GIT_NO_REPLACE_OBJECTS"),
    Row("G-09", "replacement and commit in one push", "ref_rules", "hooks that judge line by line"),
    Row("G-10", "an alias on the server moves the branch", "ref_rules", "rules that match the pushed name"),
    Row("G-11", "a tag with the name of the branch", "ref_rules", "rev-parse; GitLab #410123"),
    _not(
        "G-12", "a file that is named like a ref", "the hook never gives git a name to guess: full names and ids only"
    ),
    Row("G-13", "a branch named like an object", "ref_rules", "rev-parse of what a reviewer was told"),
    Row("G-14", "notes, pins and our own refs overwritten", "ref_rules", "git's default: every namespace is open"),
    Row("G-16", "a lightweight tag for a release", "ref_rules", "GitLab push rules, which leave tags out"),
    Row("G-17", "one name twice in a tree", "signed_commits", "ls-tree and first-match readers"),
    Row("G-20", "an encoding header changes what a message says", "signed_commits", "hashes over %B"),
    Row("G-22", "a shallow push hides ancestors", "git", "receive.shallowUpdate=true", unrecorded=NOT_ASKED),
    Row("G-23", "an unrelated history, alone and merged", "four_eyes", "three-dot diffs that fail open"),
    Row("G-24", "a merge that drops what has landed", "four_eyes", "A...B, which hides reverts of the target"),
    Row("G-25", "the quarantine is not seen", "ref_rules", "daemons that take missing for empty"),
    _not(
        "G-26", "the hook moves refs from the quarantine", "ours moves none: pins are made afterwards, by reservation"
    ),
    Row("G-27", "refs moved without a push", "reconciler", "pre-receive alone"),
    Row("G-28", "pushed past the hooks by dumb HTTP", "front", "WebDAV", unrecorded="no push: it is not served"),
    Row("G-29", "commits hidden in the pack, used later", "four_eyes", "--not --all; git-proxy before checkHidden"),
    Row("G-30", "a mirror push deletes in bulk", "ref_rules", "rules for main alone"),
    Row("G-31", "push options that claim approvals", "four_eyes", "hooks that read GIT_PUSH_OPTION_*"),
    Row(
        "G-32", "more refs, or larger objects, than can be judged", "limits", "hooks that time out open (5 s at GitHub)"
    ),
)

SIZE = (
    Row("P-01", "not ASCII, tab or line feed in a path", "four_eyes", "gittuf, gitolite: quoted names, split lines"),
    Row("P-02", "renamed out of a protected folder", "four_eyes", "gitolite VREF/NAME: --name-only"),
    Row("P-03", "a pure rename counts nothing", "four_eyes", "numstat with renames: 0 lines, 1 file"),
    Row("P-04", "more files than the rename limit", "four_eyes", "diff.renameLimit: the count changes midway"),
    Row("P-05", "a NUL, or UTF-16: no lines at all", "four_eyes", "numstat: - and -"),
    Row("P-06", ".gitattributes turns diffs off", "four_eyes", "diff in a work tree; attr.tree"),
    Row("P-07", "one line of a megabyte, or many by CR", "four_eyes", "numstat: 1 line"),
    Row("P-09", "chmod +x", "four_eyes", "numstat: 0 lines"),
    Row("P-10", "a file becomes a link out of the tree", "four_eyes", "numstat: 1 line"),
    Row("P-11", "a submodule moves: foreign code without bound", "four_eyes", "diff.ignoreSubmodules=all"),
    Row("P-12", "an LFS pointer, also by its older names", "four_eyes", "GitLab: LFS is exempt; one known prefix"),
    Row("P-13", "200 lines added in the merge itself", "four_eyes", "log --numstat, which skips merges"),
    Row("P-15", "added, and taken back in the next commit", "four_eyes", "net diffs"),
    Row("P-18", "an approved hunk applied elsewhere", "four_eyes", "GitLab: approvals kept by patch-id"),
    Row("P-19", "just above the threshold", "four_eyes", "limits on additions alone"),
    Row("P-20", "hidden in a lock file or in generated code", "four_eyes", "lists of exemptions"),
    Row("P-21", "text that shows as something else", "four_eyes", "Trojan Source: any line count"),
    Row("P-22", "CI, owners, attributes, policy: tiny and total", "four_eyes", "limits on size alone"),
)

APPROVALS = (
    Row("A-01", "pushed after the approval", "four_eyes", "GitLab #383776: invalidated asynchronously"),
    Row("A-02", "a patch set pushed after the votes is merged", "four_eyes", "Gerrit: copied votes, auto-submit"),
    Row("A-03", "approved for one target, landed on another", "four_eyes", "GitLab #422142, Gitea before 1.27.0"),
    Row("A-04", "the approved branch deleted and made again", "four_eyes", "GitLab #436977"),
    _not("A-07", "owners of one branch approve for another", "there are no owners files; the table is the policy's"),
    _not("A-08", "owned files change after the owner's yes", "there are no owners files; any change ends a sign-off"),
    Row("A-09", "the change edits who must approve it", "four_eyes", "GitLab #235123"),
    Row("A-10", "an approval replayed in another repository", "four_eyes", "git-proxy before 2.2.0"),
    Row("A-11", "reviewed content copied to another branch", "four_eyes", "approvals by content"),
    Row("A-13", "somebody else dismisses the no", "four_eyes", "GitHub: write permission is enough"),
    _not("A-14", "a comment edited into a yes", "no text is a sign-off: it is a signed statement"),
    _not(
        "A-15", "votes removed after the landing", "the ledger only grows: ledger attacks 01 to 09 stand beside these"
    ),
    Row("A-16", "another revision than the one shown", "four_eyes", "approvals of a change number"),
    Row("A-18", "one person by two keys or accounts", "four_eyes", "SLSA B1: left to the organisation"),
    Row("A-19", "the approver wrote an earlier commit", "four_eyes", "Gerrit non_contributor: the last patch set"),
    Row("A-20", "a rebase by somebody else washes the committer", "four_eyes", "GitLab: committers, as they are now"),
    Row("A-21", "an author whom nobody knows", "signed_commits", "policy-bot before #1263: dropped"),
    Row("A-22", "a colleague named as the author", "signed_commits", "git-proxy GHSA-m42c-5wg4-978p"),
    _not("A-23", "a CI token approves", "a token carries a sign-off, and signs none"),
    Row("A-24", "an agent approves its own work", "four_eyes", "gitmoot #1145"),
    Row("A-25", "a copy of the author approves", "four_eyes", "ids that differ"),
    Row("A-26", "who delegated the work approves it", "four_eyes", "GitHub: only of its own agent"),
    Row("A-28", "one approver fills both places", "four_eyes", "Vault control groups"),
    Row("A-29", "a threshold of zero, or none", "policy", "go-tuf GHSA-fphv-w9fq-2525", NOT_IN_FORCE),
    Row("A-31", "a global rule relaxes a stricter one", "policy", "gittuf CVE-2026-128037", NOT_IN_FORCE),
    Row("A-32", "the first rule that matches hides the next", "policy", "Gitea: first match wins", NOT_IN_FORCE),
    Row("A-33", "a weak row beside a strict one", "policy", "Teleport: rows of a role are ORed", NOT_IN_FORCE),
    _not("A-35", "an older policy put in force", "the policy cannot be changed in this version"),
    _not("A-36", "the policy changes within the range", "the policy cannot be changed in this version"),
    _not("A-37", "a policy with unverified parts", "the policy cannot be changed in this version"),
    Row("A-39", "a freeze passed by an alias or a tag", "freeze", "freezes by name"),
    Row("A-40", "a no lifted by one who may not", "four_eyes", "sig-release #1389"),
)

KEYS = (
    Row("K-01", "a key with the victim's name on it", "signed_commits", "%GS: the name on the key"),
    Row("K-02", "a key that nobody enrolled", "signed_commits", "git verify-commit: status 0 for U"),
    Row("K-03", "one signs, another is the author", "signed_commits", "%G? = G"),
    Row("K-04", "an SSH key past its end, the commit dated back", "signed_commits", "git's own valid-before"),
    Row("K-05", "an OpenPGP key past its end", "signed_commits", "%G? = Y, taken for good"),
    Row("K-06", "dated back with a key that was revoked", "signed_commits", "the time that a signature claims"),
    Row("K-07", "two signatures, the first one good", "signed_commits", "parsers of the first GOODSIG"),
    Row("K-08", "a name that reads like gpg's status", "signed_commits", "SigSpoof"),
    Row("K-09", "a text-mode signature, good for two texts", "signed_commits", "gpg --verify"),
    Row("K-11", "an unsigned commit under a signed tip", "signed_commits", "GitHub squash paths; tips alone"),
    Row("K-12", "commits of the server's own are exempt", "signed_commits", "GitLab: gitaly #5361"),
    Row("K-13", "two keys with one short id", "identity", "policy-bot: 64-bit key ids", NOT_PUSHED),
    Row("K-15", "a pattern of principals", "signed_commits", "allowed_signers: *@example.org"),
    Row("K-16", "a signing subkey added by a thief", "signed_commits", "primary fingerprints"),
    Row("K-18", "enrolled without possession", "identity", "git-proxy GHSA-h37f-qp8m-g68c", NOT_PUSHED),
    _not("K-19", "a push certificate replayed", "push certificates are not asked for and say nothing here"),
    Row("K-20", "an unsigned commit", "signed_commits", "hooks that test for B alone"),
)

FURTHER = (
    Row("X-01", "a tag that shadows a remote branch: origin/main", "ref_rules", "rev-parse origin/main in every clone"),
    Row("X-02", "a branch named like a short or upper-case id", "ref_rules", "git show 1a2b3c4"),
    Row("X-03", "names git resolves elsewhere: heads/main, head", "ref_rules", "git's own check-ref-format"),
    Row("X-04", "look-alike names: case, alphabet, zero width", "ref_rules", "string comparison; HFS+ and NTFS"),
    Row("X-05", "a line feed, a blank, a control in a ref name", "hook", "hooks that read lines"),
    Row("X-06", "one ref twice in a push", "hook", "hooks that keep the first or the last"),
    Row("X-07", "a tag of a tag, of a tree, or under another name", "ref_rules", "hooks that peel, or that do not"),
    Row("X-08", "a tree or a blob for a branch", "ref_rules", "rev-list, which is empty for it"),
    Row("X-09", "escapes, reversed text, CR in a message or a name", "signed_commits", "terminals and web pages"),
    Row("X-10", "another's name beside one's own address", "signed_commits", "log --format=%an"),
    Row("X-11", "a commit with one parent twice", "signed_commits", "log -p, which shows no merges"),
    Row("X-12", "a commit of a hundred parents", "four_eyes", "merge-tree of two"),
    Row("X-13", "dated into the future", "signed_commits", "--since, --date-order, sorted pages"),
    Row("X-14", "headers, authors, dates and tags that cannot be read", "facts", "split() on spaces"),
    Row("X-15", "headers that tools do not show", "signed_commits", "git log, every web page"),
    Row("X-16", "modes: padded, unknown, group-writable", "signed_commits", "readers that normalise"),
    Row("X-17", "names in a tree: .git, .., a slash, none", "signed_commits", "receive.fsckObjects off, git's default"),
    Row("X-18", "entries out of order", "signed_commits", "binary search beside linear"),
    Row("X-19", "a mode that is not its object's", "git", "readers that trust the mode", NOT_ASKED),
    Row("X-20", "case-fold and normal-form twins of a path", "four_eyes", "checkouts on macOS and Windows"),
    Row("X-21", "git's own checks refuse what hides", "git", "receive.fsckObjects off", unrecorded=NOT_ASKED),
    Row(
        "X-22", "a pack that is cut, corrupt or lacks its bases", "git", "unpackers of one's own", unrecorded=NOT_ASKED
    ),
    Row("X-23", "an object that nobody has", "git", "hooks that skip what is missing", unrecorded=NOT_ASKED),
    Row("X-51", "old values, names and orders made up by chance", "ref_rules", "rules tried with tidy pushes"),
    Row("X-52", "a large change cut and ordered by chance", "four_eyes", "sizes of the last commit, or of the net"),
    Row("X-50", "an option that turns the reader's terminal", "proposals", "hooks that echo options"),
    Row("X-24", "grafts on the server shorten what is walked", "signed_commits", "rev-list, which believes them"),
    Row("X-25", "trees that repeat themselves a billionfold", "limits", "walkers without a count"),
    Row("X-26", ".mailmap makes one author another", "signed_commits", "log --use-mailmap; %aN"),
    Row("X-27", "a link named .gitmodules or .gitattributes", "four_eyes", "path rules that skip links"),
    Row("X-28", "a delta that unpacks ten thousandfold", "four_eyes", "hooks that read whatever comes"),
    _not(
        "X-29",
        "two objects with one SHA-1",
        "no pair in git's framing is published; git's own SHA-1 detects the known way",
    ),
    _not(
        "X-30",
        "objects borrowed from elsewhere, promised objects",
        "the git user's own files: trusted (SECURITY.md, 3)",
    ),
)


def _ledger(id_: str, title: str, control: str, beats: str) -> Row:
    return Row(id_, title, control, beats, unrecorded=IS_THE_RECORD)


LEDGER = (
    _ledger("L-01", "the end cut off, head row and tiles to go with it", "verifier", "every hash chain; ledgerchain"),
    _ledger("L-02", "two copies of one ledger, one key", "ledger", "every hash chain"),
    _ledger("L-03", "history written anew and signed with the real key", "verifier", "signed hash chains"),
    _ledger("L-04", "an older copy put back", "ledger", "database backups; every hash chain"),
    _ledger("L-05", "entries exchanged", "verifier", "logs without a number in the hash"),
    _ledger("L-06", "an entry dated back", "verifier", "times that the client says"),
    _ledger("L-07", "a column altered beside a hash that covers another", "verifier", "ledgerchain 0.1.0: valid"),
    _ledger("L-08", "a number used twice, or left out", "ledger", "identity columns"),
    _ledger("L-09", "REPLACE, TRUNCATE, triggers dropped, the file edited", "verifier", "append-only triggers"),
    _ledger("L-10", "fields that run into each other", "ledger", "hashes over joined fields"),
    _ledger("L-11", "a node taken for a leaf, a leaf counted twice", "verifier", "CVE-2012-2459"),
    _ledger("L-12", "a second spelling of one entry", "verifier", "hashes over what json.loads gives back"),
    _ledger("L-13", "two writers at once", "ledger", "ledgerchain: 217 of 800 appends lost"),
    _ledger("L-14", "a torn page, a file cut short", "verifier", "logs without checksums over everything"),
    _ledger("L-15", "an I/O error, and then success", "ledger", "retried fsync"),
    _ledger("L-16", "a full disk", "ledger", "writers that go on"),
    _ledger("L-17", "the clock set back and forth", "ledger", "times as the host says them"),
    _ledger("L-18", "a stolen key that was replaced", "verifier", "keys that count for ever"),
    _ledger("L-19", "another tree for another reader", "verifier", "one log, one reader"),
    _ledger("L-20", "another ledger under the same name", "verifier", "CVE-2022-39199: identity that the server says"),
    _ledger("L-21", "an action without its entry", "ledger", "logging after the fact"),
    _ledger("L-22", "edited after it was answered, before it is signed", "ledger", "outboxes, edited before sequenced"),
    _ledger(
        "L-23", "a later version or an unknown kind smuggled in", "verifier", "readers that skip what they do not know"
    ),
    _ledger("L-24", "a verifier that is made to work without end", "verifier", "parsers without limits"),
    _ledger("L-25", "personal data written for ever", "ledger", "hashes without salt; immutable logs"),
    _ledger("L-26", "a database that may lose what it committed", "ledger", "whatever SQLite or server is there"),
)

OTHERS = (
    *BROWSER, *DEBT, *DRAWS, *STOPS, *DETECTION, *FACTORS, *REPORTS, *TELL, *rows_locks.ROWS, *rows_gates.ROWS,
    *CHANNELS,
)  # fmt: skip
ROWS = (*WIRE, *SIZE, *APPROVALS, *KEYS, *FURTHER, *LEDGER, *OTHERS)
