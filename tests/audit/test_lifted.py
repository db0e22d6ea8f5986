"""The ledger without the rest: a copy of its folder, in an empty place, does what its README shows."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

AUDIT = Path(__file__).parents[2] / "audit"
ALONE = "import sys; sys.modules.update(governance=None, twinseal_hook=None); sys.path.insert(0, '.')\n"


def test_a_copy_of_the_folder_is_enough(tmp_path: Path) -> None:
    shutil.copytree(AUDIT, tmp_path / "audit", ignore=shutil.ignore_patterns("__pycache__"))
    [example] = re.findall(r"```python\n(.*?)```", (AUDIT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    where = "import audit\nprint(audit.__file__)\n"
    command = [sys.executable, "-P", "-c", ALONE + example + where]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "valid: 2 good entries" in done.stdout
    assert Path(done.stdout.splitlines()[-1]).is_relative_to(tmp_path)


def test_every_file_has_its_line_in_the_readme() -> None:
    said = (AUDIT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_*]+\.py)`", said))
    files = {path.name for path in AUDIT.glob("*.py")} - {"__init__.py"}
    assert {name for name in named if "*" not in name} <= files
    patterns = [re.compile(name.replace(".", r"\.").replace("*", ".*")) for name in named]
    assert sorted(name for name in files if not any(each.fullmatch(name) for each in patterns)) == []
