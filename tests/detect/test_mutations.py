from __future__ import annotations

import pytest

from governance.detect.mutations import CATALOGUE, Mutation, added, applied, retitled, seeded

CASES = {
    "comparison flipped": ("if a <= b:", "if a >= b:"),
    "boundary off by one": ("while n < size:", "while n <= size:"),
    "negation dropped": ("return not ready", "return ready"),
    "membership turned round": ("x = a not in b", "x = a in b"),
    "condition widened": ("if a and b:", "if a or b:"),
    "truth changed": ("strict = True", "strict = False"),
    "check removed": ("    if owner(name):".replace("(name)", ".known"), "    if True:"),
    "arguments swapped": ("copy(old, new)", "copy(new, old)"),
    "constant changed": ("limit = 40", "limit = 41"),
    "sign changed": ("end = start + size", "end = start - size"),
}
PATCH = """diff --git a/src/app.py b/src/app.py
new file mode 100644
--- /dev/null
+++ b/src/app.py
@@ -0,0 +1,4 @@
+# 1 < 2
+def grows(old, new):
+    return old < new
+
diff --git a/notes.txt b/notes.txt
--- a/notes.txt
+++ b/notes.txt
@@ -1,2 +1,3 @@
 one
+if a < 7
 two
diff --git a/src/b.py b/src/b.py
--- a/src/b.py
+++ b/src/b.py
@@ -10,3 +10,3 @@ def f():
 kept
-gone = 1
+limit = 9
 kept
"""


@pytest.mark.parametrize("mutation", CATALOGUE, ids=lambda mutation: mutation.name)
def test_each_mutation_gets_one_thing_wrong(mutation: Mutation) -> None:
    before, after = CASES[mutation.name]
    assert mutation.pattern.sub(mutation.edit, before, count=1) == after


def test_only_lines_that_a_patch_adds_to_source_are_taken() -> None:
    assert added(PATCH) == [
        ("src/app.py", 1, "# 1 < 2"),
        ("src/app.py", 2, "def grows(old, new):"),
        ("src/app.py", 3, "    return old < new"),
        ("src/app.py", 4, ""),
        ("src/b.py", 11, "limit = 9"),
    ]


def test_a_seed_makes_one_defect_and_always_the_same() -> None:
    found = {seed: seeded(added(PATCH), seed) for seed in range(40)}
    assert found == {seed: seeded(added(PATCH), seed) for seed in range(40)}
    assert {defect.mutation for defect in found.values() if defect} == {
        "boundary off by one", "arguments swapped", "constant changed",
    }  # fmt: skip
    assert all(defect and defect.before != defect.after for defect in found.values())


def test_where_nothing_can_be_got_wrong_there_is_no_canary() -> None:
    assert seeded([("a.py", 1, "# if 1 < 2"), ("a.py", 2, ""), ("a.py", 3, "x = 4\x1b[2J")], 1) is None
    assert seeded([("a.py", 1, "x = 1 " * 100)], 1) is None


def test_a_defect_goes_into_its_line_and_no_other() -> None:
    defect = seeded([("a.py", 2, "x = 4")], 1)
    assert defect is not None
    assert applied("x = 4\nx = 4\n", defect) == "x = 4\nx = 5\n"
    for other in ("y = 4\nx = 3\n", "x = 4"):
        with pytest.raises(ValueError, match="expected 'x = 4' as line 2"):
            applied(other, defect)


def test_the_title_is_another_one() -> None:
    titles = {retitled("Prune the roses", seed) for seed in range(30)}
    assert len(titles) > 3
    assert all("Prune the roses" in title and title != "Prune the roses" for title in titles)
