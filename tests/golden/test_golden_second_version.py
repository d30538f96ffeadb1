"""The golden digests of the second hash version: frozen, and as independent of the package as those of the first."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from charter_persist.model.canonical import load_canonical
from charter_persist.model.digest import digest, open_envelope

VECTORS = Path(__file__).parent / "0.1.0" / "digests-v2.json"
FROZEN = "cd8fdf60a74ac3ecd5e7d46bad6f27af636e12747e4ccffb958730b9d3927bc9"


@pytest.mark.spec("HASH-6")
def test_the_vectors_never_change() -> None:
    assert sha256(VECTORS.read_bytes()).hexdigest() == FROZEN


@pytest.mark.spec("HASH-6")
@pytest.mark.parametrize("vector", [pytest.param(v, id=v["name"]) for v in json.loads(VECTORS.read_bytes())])
def test_the_digest_is_the_frozen_one(vector: dict[str, str]) -> None:
    data = vector["canonical"].encode()
    content = load_canonical(data)
    assert digest(vector["type"], content, version="v2") == vector["digest"]
    envelope = open_envelope(vector["type"], bytes.fromhex(vector["digest"]), data, "v2")
    assert (envelope.hash_algorithm, envelope.object_hash) == ("sha3-256", vector["digest"])
