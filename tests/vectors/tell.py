"""Write the answers that `test_explain` compares: run it after a change of wording, and read the difference.

From the top folder: `PYTHONPATH=tests:hooks python tests/vectors/tell.py`. The policy's digest is left out, so that
a change of the policy that ships is not a change of wording.
"""

from __future__ import annotations

from pathlib import Path

from test_explain import DIGEST, a_refusal, an_approval

if __name__ == "__main__":
    for name, told in (("refused.txt", a_refusal()), ("allowed.txt", an_approval())):
        text = told.replace(DIGEST[:12], "<policy>")
        (Path(__file__).parent / name).write_text(text, encoding="utf-8")
