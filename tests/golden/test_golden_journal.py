"""Leaves, commitments, roots, proofs and a checkpoint, frozen: a store written by 0.1.0 verifies for ever."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from charter_persist.journal.checkpoint import Checkpoint, parse_note, sign, verify_signature
from charter_persist.journal.entry import Entry, commitment, leaf
from charter_persist.journal.keys import load_public_key, verifier_key
from charter_persist.journal.tree import consistency_proof, inclusion_proof, root_at
from charter_persist.model.time import format_micros
from charter_persist.proofs import leaf_data, leaf_hash, verify_consistency, verify_inclusion
from tests.journal_storage import Storage

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "0.1.0" / "journal.json").read_text(encoding="utf-8"))
TREE = GOLDEN["tree"]


def entry_at(position: int) -> Entry:
    """An entry of the frozen tree, by the rule that stands beside the vectors."""
    recorded_at = 1_700_000_000_000_000 + 250_000 * (position - 1)
    promised = commitment(b"", str(position).encode())
    return Entry(position, (position + 2) // 3, "object", f"area/{position}", "put", promised, recorded_at, b"")


@pytest.fixture(scope="module")
def storage() -> Storage:
    return Storage(leaf(entry_at(position)) for position in range(1, 1001))


def unhex(proof: list[str]) -> list[bytes]:
    return [bytes.fromhex(node) for node in proof]


@pytest.mark.spec("HASH-5")
@pytest.mark.parametrize("vector", GOLDEN["commitments"], ids=lambda vector: vector["commitment"][:8])
def test_commitment_is_frozen(vector: dict[str, str]) -> None:
    nonce, data = bytes.fromhex(vector["nonce"]), bytes.fromhex(vector["data"])
    assert commitment(nonce, data).hex() == vector["commitment"]


@pytest.mark.spec("HASH-5")
@pytest.mark.parametrize("vector", GOLDEN["leaves"], ids=lambda vector: vector["leaf_hash"][:8])
def test_leaf_is_frozen(vector: dict[str, Any]) -> None:
    facts = {name: vector[name] for name in Entry._fields if name != "leaf"}
    entry = Entry(**facts | {"commitment": bytes.fromhex(vector["commitment"]), "leaf": b""})
    assert leaf(entry).hex() == vector["leaf_hash"]
    texts = vector["store"], vector["subject"], vector["operation"], vector["commitment"]
    data = leaf_data(vector["position"], vector["revision"], *texts, format_micros(vector["recorded_at"]))
    assert data.decode() == vector["data"]
    assert leaf_hash(data).hex() == vector["leaf_hash"]


@pytest.mark.spec("P25")
@pytest.mark.parametrize("size", TREE["roots"])
def test_root_is_frozen(storage: Storage, size: str) -> None:
    assert root_at(int(size), storage).hex() == TREE["roots"][size]


@pytest.mark.spec("P25")
@pytest.mark.parametrize("vector", TREE["inclusion"], ids=lambda vector: f"{vector['index']}-{vector['size']}")
def test_inclusion_proof_is_frozen(storage: Storage, vector: dict[str, Any]) -> None:
    index, size, proof = vector["index"], vector["size"], unhex(vector["proof"])
    assert inclusion_proof(index, size, storage) == proof
    root = TREE["roots"].get(str(size)) or root_at(size, storage).hex()
    verify_inclusion(leaf(entry_at(index + 1)), index, size, proof, bytes.fromhex(root))


@pytest.mark.spec("P25")
@pytest.mark.parametrize("vector", TREE["consistency"], ids=lambda vector: f"{vector['size1']}-{vector['size2']}")
def test_consistency_proof_is_frozen(storage: Storage, vector: dict[str, Any]) -> None:
    size1, size2, proof = vector["size1"], vector["size2"], unhex(vector["proof"])
    assert consistency_proof(size1, size2, storage) == proof
    verify_consistency(size1, size2, root_at(size1, storage), root_at(size2, storage), proof)


@pytest.mark.spec("P25")
def test_tile_is_frozen(storage: Storage) -> None:
    assert sha256(storage.tiles[0, 0][: 256 * 32]).hexdigest() == TREE["tile_0_sha256"]
    assert storage.tiles[0, 0][-32:].hex() == TREE["roots"]["256"]


@pytest.mark.spec("P26")
def test_checkpoint_is_frozen() -> None:
    vector = GOLDEN["checkpoint"]
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vector["seed"]))
    public_key = bytes.fromhex(vector["public_key"])
    plain = Checkpoint(vector["origin"], vector["size"], bytes.fromhex(vector["root"]))
    assert sign(plain, key.sign, vector["name"], public_key).text() == vector["note"]
    assert verifier_key(vector["name"], public_key) == vector["verifier_key"]
    assert load_public_key(vector["verifier_key"].encode()) == (vector["name"], public_key)
    verify_signature(parse_note(vector["note"]), vector["name"], public_key)


@pytest.mark.spec("HASH-5")
def test_no_vector_was_dropped() -> None:
    counts = [len(GOLDEN["commitments"]), len(GOLDEN["leaves"])]
    counts += [len(TREE[name]) for name in ("roots", "inclusion", "consistency")]
    assert counts == [10, 10, 25, 22, 22]
