"""Globs on refs and paths: what they mean, which look-alikes they catch, and which globs we refuse.

Paths are chosen by the pusher, so matching never backtracks exponentially.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from governance.errors import PolicyContentError

# Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties: ext4 and HFS+ skip these when they compare names.
_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)

# Plain and undecorated: a pattern that uses more of the shell's language than we do would match nothing, silently.
_FOREIGN = re.compile(r"[\[\]{}\\]|^!")

# What `git check-ref-format` forbids in any ref; a pattern that holds it could protect nothing.
_NO_REF = re.compile(r"[\x00-\x20\x7f~^:]|\.\.|@\{|(?:^|/)\.|\.(?:lock)?(?:/|\Z)")

_ANY_FOLDERS = r"(?:[^/]*+/)*?"


@dataclass(frozen=True, slots=True)
class Pattern:
    """Which full names a glob means, from the first character to the last.

    `*` and `?` stay between two slashes. `**` stands alone between slashes and crosses them, over no folder or over
    many. There is no negation, so a second pattern can only add.

    A ref pattern is compared exactly, and `/**` at its end wants something below. A path pattern (`paths`) is
    compared with every spelling of `spellings`, and `/**` at its end means the folder or a file of its name as well.

    Raises:
        PolicyContentError: the glob is not in this language, or could never match.
    """

    text: str
    paths: bool = field(default=False, kw_only=True)
    _regex: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for fault, mend in _faults(self.text, paths=self.paths):
            raise PolicyContentError(f"expected a pattern, got {self.text!r:.80}, {fault}", mend=mend)
        compiled = re.compile(_translate(self.text, paths=self.paths), re.DOTALL)
        object.__setattr__(self, "_regex", compiled)

    def matches(self, text: str) -> bool:
        """Whether this name is meant. Bytes that are not UTF-8 come as surrogate escapes."""
        return self.matches_any(spellings(text) if self.paths else (text,))

    def matches_any(self, forms: tuple[str, ...]) -> bool:
        """Whether one of these forms is meant; they are compared as they are."""
        return any(self._regex.fullmatch(form) for form in forms)


def spellings(path: str) -> tuple[str, ...]:
    """The forms under which some checkout may take this path for another: folded case, NFKC, NTFS's trimmed ends.

    Letters of another alphabet that only look alike name another file everywhere and are not folded. NTFS short
    names (`GITHUB~1`) depend on what else lies in the folder and are not resolved.
    """
    forms = {path.lower()}
    if not path.isascii():
        forms.add(fold(path))
    return tuple(sorted(forms | {_trim_for_ntfs(form) for form in forms}))


def fold(text: str) -> str:
    """One spelling for all that NFKC, case folding and ignorable characters make equal (Unicode 3.13, D146)."""
    plain = unicodedata.normalize("NFKC", _IGNORABLE.sub("", text)).casefold()
    return unicodedata.normalize("NFKC", plain)


def _trim_for_ntfs(path: str) -> str:
    # NTFS drops trailing dots and spaces from each name, and a colon starts a stream of the same file.
    return "/".join(name.partition(":")[0].rstrip(". ") for name in path.split("/"))


def _faults(text: str, *, paths: bool) -> Iterator[tuple[str, str]]:
    """What is wrong with a glob, and how to mend it; nothing where it is sound."""
    names = text.split("/")
    if _FOREIGN.search(text):
        yield "which uses more than *, ? and **", "Write one pattern for each case; there is no [], {}, ! or escape."
    if not all(names):
        yield "which has an empty name beside a slash", "Write names with one slash between them, none at the ends."
    if any("**" in name and name != "**" for name in names) or "**/**" in text:
        yield "where ** does not stand alone", "Write ** once between two slashes, or a single *."
    if not paths and (names[0] != "refs" or len(names) == 1):
        yield "which does not start with refs/", f"Write the full name, such as refs/heads/{names[-1]}."
    if not paths and _NO_REF.search(text):
        yield "which no ref can be called", "Write a name that git check-ref-format accepts."
    if paths and (unicodedata.normalize("NFKC", text) != text or _IGNORABLE.search(text)):
        yield "which is not in its plain form", f"Write {fold(text)}; its look-alikes are matched as well."
    if paths and ({".", ".."} & set(names) or _trim_for_ntfs(text) != text):
        yield "which git never stores under that name", "Write the path as git ls-files prints it."


def _translate(text: str, *, paths: bool, folded: bool = True) -> str:
    """The regular expression of a sound glob, in time linear in what it is matched against.

    Runs of names between two ** are taken where they first fit and never tried again (atomic groups): for globs the
    earliest fit leaves the most to the rest, and paths are chosen by the pusher.
    """
    head, *runs = _runs(text.casefold() if paths and folded else text)
    if not runs:
        return head
    *middle, tail = runs
    regex, slash = head, "/" if head else ""
    for run in middle[:-1] if not tail else middle:
        regex, slash = rf"{regex}(?>{slash}{_ANY_FOLDERS}{run}(?=/|\Z))", "/"
    if tail:
        return f"{regex}{slash}{_ANY_FOLDERS}{tail}"
    if middle:
        regex, slash = f"{regex}{slash}{_ANY_FOLDERS}{middle[-1]}", "/"
    if not slash:
        return ".*"
    return f"{regex}(?:/.*)?" if paths else f"{regex}/.+"


def one_of(patterns: tuple[Pattern, ...]) -> str:
    """One expression for whatever any of these path patterns means; the walk over folders is shared."""
    regexes = [_translate(pattern.text, paths=True) for pattern in patterns]
    walking = [regex.removeprefix(_ANY_FOLDERS) for regex in regexes if regex.startswith(_ANY_FOLDERS)]
    standing = [regex for regex in regexes if not regex.startswith(_ANY_FOLDERS)]
    if walking:
        standing.append(f"{_ANY_FOLDERS}(?:{'|'.join(walking)})")
    return "|".join(standing) or "(?!)"


@lru_cache(maxsize=256)
def exactly(texts: tuple[str, ...]) -> re.Pattern[str]:
    """One expression for the very paths that these globs mean, and none of their look-alikes: for rules that allow.

    Raises:
        PolicyContentError: one of them is not in this language.
    """
    regexes = [_translate(Pattern(text, paths=True).text, paths=True, folded=False) for text in texts]
    return re.compile("|".join(regexes) or "(?!)", re.DOTALL)


def _runs(text: str) -> list[str]:
    """The expressions of what stands between the ** of a glob; an empty one where it starts or ends with **."""
    runs: list[list[str]] = [[]]
    for name in text.split("/"):
        if name == "**":
            runs.append([])
        else:
            runs[-1].append(_name(name))
    return ["/".join(run) for run in runs]


def _name(glob: str) -> str:
    """The expression of one name between slashes."""
    first, *rest = ("".join("[^/]" if char == "?" else re.escape(char) for char in part) for part in glob.split("*"))
    if not rest:
        return first
    return first + "".join(f"(?>[^/]*?{part})" for part in rest[:-1]) + "[^/]*" + rest[-1]
