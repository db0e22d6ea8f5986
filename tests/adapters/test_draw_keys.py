from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from governance.adapters import ledger_keys, settings
from governance.adapters.draw_keys import FileKeys

if TYPE_CHECKING:
    from pathlib import Path

    from governance.adapters.settings import Settings


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    """Empty folders with a key-encryption key."""
    found = replace(settings.load(), data=tmp_path / "data", state=tmp_path / "state")
    found.data.mkdir()
    found.state.mkdir()
    ledger_keys.make_kek(found)
    return found


def test_a_key_is_sealed_private_and_found_again(here: Settings) -> None:
    key = FileKeys(here).make(3)
    path = here.data / "draw-3.key"
    assert len(key) == 32
    assert FileKeys(here).get(3) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert key not in path.read_bytes()
    assert key.hex().encode() not in path.read_bytes()


def test_one_that_lies_there_is_taken(here: Settings) -> None:
    assert FileKeys(here).make(1) == FileKeys(here).make(1)


def test_each_epoch_has_another(here: Settings) -> None:
    keys = FileKeys(here)
    assert len({keys.make(number) for number in range(1, 6)}) == 5


def test_a_lost_or_exchanged_key_is_none(here: Settings) -> None:
    keys = FileKeys(here)
    assert keys.get(1) == b""
    keys.make(1)
    (here.data / "draw-2.key").write_bytes((here.data / "draw-1.key").read_bytes())
    assert keys.get(2) == b""
    (here.data / "draw-2.key").write_bytes(b"rubbish \xff")
    assert keys.get(2) == b""
    assert len(keys.make(2)) == 32
    assert FileKeys(here).get(2) == keys.get(2)


def test_under_another_key_encryption_key_it_stays_shut(here: Settings, tmp_path: Path) -> None:
    FileKeys(here).make(1)
    other = replace(here, state=tmp_path / "other")
    other.state.mkdir()
    ledger_keys.make_kek(other)
    assert FileKeys(other).get(1) == b""


def test_what_was_read_is_kept(here: Settings) -> None:
    keys = FileKeys(here)
    key = keys.make(1)
    assert keys.get(1) == key
    (here.data / "draw-1.key").unlink()
    assert keys.get(1) == key
    assert FileKeys(here).get(1) == b""
