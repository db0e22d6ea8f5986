from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from governance.adapters.sequoia import SequoiaVerifier
from governance.adapters.ssh_verifier import SshVerifier
from governance.adapters.verifying import EitherVerifier
from governance.errors import SignatureToolError
from governance.refusals import SignatureRefused
from governance.signatures import EnrolledKey, Item, Purpose, Registry, SubKey, Verified, possession_challenge, register
from keys import commit_bytes, key_of, registry_of, with_signature
from signature_cases import AT, CREATED, DAY, TREE, Scene
from ssh_cases import CASES, RAW, SshCase
from ssh_forge import armored, craft, curve, dearmored, ed, rsa_of, token
from ssh_judges import answer, git_says

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [case.name for case in CASES]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scene]:
    folder = tmp_path_factory.mktemp("forge")
    return {case.name: case.build(folder) for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_we_answer_as_the_table_says(case: SshCase, scenes: dict[str, Scene]) -> None:
    scene = scenes[case.name]
    assert answer(scene.raw, register(scene.enrolled)) == case.code


def test_git_says_what_the_table_says(scenes: dict[str, Scene], tmp_path: Path) -> None:
    versions = [subprocess.run(tool, capture_output=True, check=True) for tool in (["git", "--version"], ["ssh", "-V"])]
    if b" 2.39" not in versions[0].stdout or b"OpenSSH_9.2" not in versions[1].stderr:
        pytest.skip(f"the column was made with git 2.39 and OpenSSH 9.2, not {versions}")
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path)], check=True)
    said = {case.name: git_says(tmp_path, scenes[case.name]) for case in CASES}
    assert said == {case.name: case.git for case in CASES}


def test_where_git_accepts_and_we_do_not_the_row_says_why() -> None:
    assert [case.name for case in CASES if case.code and case.git == "G" and not case.why] == []
    assert [case.name for case in CASES if not case.code and case.git != "G"] == []


@pytest.mark.parametrize(
    "key", [ed(), curve("nistp256"), rsa_of(), token()], ids=["ed25519", "ecdsa", "rsa", "on a token"]
)
def test_every_flipped_bit_of_the_signature_fails(key: object) -> None:
    verifier, registry = SshVerifier(), register([key.enrolled()])  # type: ignore[attr-defined]
    good = dearmored(craft(key, RAW))  # type: ignore[arg-type]
    assert verifier.verify(RAW, armored(good), registry, at=AT)
    changed = bytearray(good)
    for bit in range(len(changed) * 8):
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SignatureRefused):
            verifier.verify(RAW, armored(bytes(changed)), registry, at=AT)
        changed[bit // 8] ^= 1 << bit % 8


def test_every_flipped_bit_of_armor_and_payload_fails(tmp_path: Path) -> None:
    verifier, registry = EitherVerifier(SequoiaVerifier()), register([ed().enrolled()])
    signature = ed().sign(RAW, tmp_path)
    for which in (0, 1):
        item = [RAW, signature.rstrip()]
        changed = bytearray(item[which])
        for bit in range(len(changed) * 8):
            changed[bit // 8] ^= 1 << bit % 8
            item[which] = bytes(changed)
            with pytest.raises(SignatureRefused):
                verifier.verify(*item, registry, at=AT)
            changed[bit // 8] ^= 1 << bit % 8
    assert verifier.verify(RAW, signature, registry, at=AT).created is None


def test_a_signature_is_good_for_its_purpose_only(tmp_path: Path) -> None:
    verifier, registry, text = EitherVerifier(SequoiaVerifier()), register([ed().enrolled()]), b'{"type":"sign_off"}'
    for made in Purpose:
        signature = ed().sign(text, tmp_path, namespace=made.value)
        for asked in Purpose:
            if asked is made:
                assert verifier.verify(text, signature, registry, at=AT, purpose=asked).key == ed().fingerprint
                continue
            with pytest.raises(SignatureRefused) as caught:
                verifier.verify(text, signature, registry, at=AT, purpose=asked)
            assert caught.value.code == "signature.namespace"
            assert repr(asked.value) in str(caught.value)
            assert repr(made.value) in str(caught.value)


def test_a_name_that_is_in_the_registry_for_another_key_is_another_key() -> None:
    lied = EnrolledKey(ed().fingerprint, "ana", ed("eve").blob, (SubKey(ed().fingerprint, None),), 1)
    assert answer(with_signature(RAW, craft(ed(), RAW)), register([lied])) == "signature.other_key"


def test_a_key_in_the_registry_that_is_none_is_a_broken_tool() -> None:
    key = rsa_of(1024)
    with pytest.raises(SignatureToolError, match="unreadable"):
        SshVerifier().verify(RAW, craft(key, RAW), register([key.enrolled()]), at=AT)


def test_a_key_is_judged_at_receive_time() -> None:
    raw = with_signature(RAW, craft(ed(), RAW))
    registry = register([ed().enrolled(at=100, expires=200, revoked_at=300)])
    codes = ["signature.key_not_yet", "", "", "signature.key_expired"]
    assert [answer(raw, registry, at=at) for at in (99, 100, 199, 200)] == codes


def test_each_signature_goes_to_the_verifier_of_its_kind_and_answers_keep_their_order() -> None:
    pgp = key_of("bob")
    items: list[Item] = [
        (RAW, craft(ed(), RAW)),
        (RAW, pgp.sign(RAW)),
        (RAW, None),
        (RAW + b"x", craft(ed(), RAW)),
        (RAW, b"rubbish"),
        (RAW + b"x", pgp.sign(RAW)),
        (RAW, craft(token(), RAW)),
    ]
    registry: Registry = registry_of([pgp]) | register([ed().enrolled(), token().enrolled()])
    verifier = EitherVerifier(SequoiaVerifier())
    said = verifier.verify_many(items, registry, at=AT + DAY)
    verifier.close()
    got = [one.key if isinstance(one, Verified) else one.code for one in said]
    assert got == [
        ed().fingerprint, pgp.signing, "signature.missing", "signature.bad", "signature.armor", "signature.bad",
        token().fingerprint,
    ]  # fmt: skip


def test_possession_is_proved_by_ssh_as_by_openpgp(tmp_path: Path) -> None:
    key = ed()
    text = possession_challenge("log", principal="ana", fingerprint=key.fingerprint, nonce="n", ends=9)
    assert text.endswith(b"nonce n\nends 9\n")
    proof = key.sign(text, tmp_path, namespace="twinseal")
    registry = register([key.by_inspection(at=CREATED)])
    assert EitherVerifier(SequoiaVerifier()).verify(text, proof, registry, at=AT, purpose=Purpose.STATEMENT)


@pytest.mark.parametrize("size", [0, 6, 10, 40, 100, -1])
def test_no_cut_of_a_signature_breaks_the_reader(size: int) -> None:
    with pytest.raises(SignatureRefused) as caught:
        SshVerifier().verify(RAW, armored(dearmored(craft(ed(), RAW))[:size]), register([ed().enrolled()]), at=AT)
    assert caught.value.code in {"signature.malformed", "signature.armor"}


def test_an_enormous_signature_is_not_read() -> None:
    assert answer_of(b"-----BEGIN SSH SIGNATURE-----\n" + b"A" * 20_000) == "signature.size"


def answer_of(signature: bytes) -> str:
    with pytest.raises(SignatureRefused) as caught:
        EitherVerifier(SequoiaVerifier()).verify(commit_bytes(TREE), signature, {}, at=AT)
    return caught.value.code
