"""`python -m tests.bench [PART] [--smoke]`: measure, print a table, write out/bench.json.

A missed reach is red in the table and `met: false` in the file; it does not fail the run. What breaks does.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench import appending, controls, decide, facts, hundred, million, push, reporting, signatures, ssh, start
from tests.bench.sizes import SMOKE, Sizes
from tests.bench.table import Figure, progress, show, write
from tests.bench.world import World, opened

PARTS: dict[str, Callable[[World, Sizes], list[Figure]]] = {
    "push": push.measure,
    "hundred": hundred.measure,
    "ssh": ssh.measure,
    "facts": facts.measure,
    "start": start.measure,
    "signatures": signatures.measure,
    "append": appending.measure,
    "million": million.measure,
    "report": reporting.measure,
    "controls": controls.measure,
    "decide": decide.measure,  # Last: it stops the service to copy its data.
}


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="What it costs to be governed.")
    parser.add_argument("part", nargs="?", choices=PARTS, help="only this part")
    parser.add_argument("--smoke", action="store_true", help="tiny counts: whether it runs, not how fast")
    parser.add_argument("--out", type=Path, default=Path("out/bench.json"), help="where the figures are written")
    asked = parser.parse_args()
    sizes = SMOKE if asked.smoke else Sizes()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="twinseal-bench-") as folder:
        progress("a service begins, an agent enrols")
        with opened(Path(folder)) as world:
            for part in [asked.part] if asked.part else PARTS:
                figures += PARTS[part](world, sizes)
    show(figures)
    write(figures, asked.out)


if __name__ == "__main__":
    main()
