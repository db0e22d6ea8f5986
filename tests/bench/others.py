"""`python -m others NAME FILE COUNT`: seconds that another library takes to append so many entries of ours.

Runs in an environment that has these libraries and nothing of ours.
"""

from __future__ import annotations

import asyncio
import json
import sys
from time import perf_counter


def entry(number: int) -> dict[str, object]:
    refs = [["0" * 40, f"{number:040x}", "refs/heads/main"]]
    return {"allowed": True, "handle": f"{number}-5678", "message": "ok", "refs": refs}


def auditchain(path: str, count: int) -> float:
    from auditchain import AuditLog, SqliteBackend  # noqa: PLC0415

    async def run() -> float:
        async with AuditLog(SqliteBackend(path)) as log:
            began = perf_counter()
            for number in range(count):
                await log.append("agent-7", "push.decided", f"refs/heads/b{number % 100}", metadata=entry(number))
            return perf_counter() - began

    return asyncio.run(run())


def pymerkle(path: str, count: int) -> float:
    from pymerkle import SqliteTree  # noqa: PLC0415

    tree = SqliteTree(path)
    began = perf_counter()
    for number in range(count):
        tree.append_entry(json.dumps(entry(number), sort_keys=True).encode())
    return perf_counter() - began


if __name__ == "__main__":
    print({"auditchain": auditchain, "pymerkle": pymerkle}[sys.argv[1]](sys.argv[2], int(sys.argv[3])))
