"""The golden digests: vectors that each release froze, and that no later release may change."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from charter_persist.model.canonical import canonical_bytes, load_canonical, parse_json
from charter_persist.model.digest import digest, open_envelope

GOLDEN = Path(__file__).parent
ROOT = GOLDEN.parents[1]

FROZEN = {"0.1.0": "94adec98467f5df6c0ee85a9785dbb6fc18442096890104202047e0c4b30a5be"}
"""SHA-256 of the vectors of each release."""

VECTORS = [
    pytest.param(vector, id=f"{release}: {vector['name']}")
    for release in FROZEN
    for vector in json.loads((GOLDEN / release / "digests.json").read_bytes())
]

DIGEST_OF_ALL = """
import json, random, sys
from hashlib import sha256
from charter_persist.model.canonical import parse_json
from charter_persist.model.digest import digest

def shuffled(value):
    if isinstance(value, list):
        return [shuffled(item) for item in value]
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in sorted(set(value), key=hash)}
    return value

digests = [digest(vector["type"], shuffled(parse_json(vector["json"]))) for vector in json.load(sys.stdin)]
print(sha256("".join(digests).encode()).hexdigest())
"""


@pytest.mark.spec("HASH-5")
@pytest.mark.parametrize("release", FROZEN)
def test_the_vectors_of_a_release_never_change(release: str) -> None:
    assert sha256((GOLDEN / release / "digests.json").read_bytes()).hexdigest() == FROZEN[release]


@pytest.mark.spec("HASH-5")
def test_there_are_two_hundred_vectors_or_more() -> None:
    assert len(VECTORS) >= 200


@pytest.mark.spec("HASH-1", "HASH-2", "HASH-5")
@pytest.mark.parametrize("vector", VECTORS)
def test_a_vector_has_its_frozen_bytes_and_digest(vector: dict[str, str]) -> None:
    content = parse_json(vector["json"])
    assert canonical_bytes(content).decode() == vector["canonical"]
    assert digest(vector["type"], content) == vector["digest"]


@pytest.mark.spec("HASH-3", "HASH-5")
@pytest.mark.parametrize("vector", VECTORS)
def test_a_stored_vector_opens_and_is_written_again_as_the_same_bytes(vector: dict[str, str]) -> None:
    stored = vector["canonical"].encode()
    envelope = open_envelope(vector["type"], bytes.fromhex(vector["digest"]), stored)
    assert envelope.object == parse_json(vector["json"])
    assert canonical_bytes(load_canonical(stored)) == stored


@pytest.mark.spec("HASH-5")
def test_the_script_still_makes_the_vectors_of_this_release() -> None:
    script = runpy.run_path(str(ROOT / "tools" / "make_golden_vectors.py"))
    assert script["render"](script["build_vectors"]()) == (GOLDEN / "0.1.0" / "digests.json").read_text("ascii")


@pytest.mark.spec("HASH-1")
def test_digests_do_not_depend_on_the_process_or_the_order_of_keys() -> None:
    vectors = (GOLDEN / "0.1.0" / "digests.json").read_bytes()
    expected = sha256("".join(vector["digest"] for vector in json.loads(vectors)).encode()).hexdigest()
    for seed in range(21):
        environment = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT)}
        run = subprocess.run(
            [sys.executable, "-c", DIGEST_OF_ALL], input=vectors, env=environment, capture_output=True, check=True
        )
        assert run.stdout.decode().strip() == expected, f"PYTHONHASHSEED={seed}"


@pytest.mark.spec("HASH-2")
def test_control_json_dumps_with_sorted_keys_fails_on_keys_beyond_the_basic_plane() -> None:
    """Shows that the vectors can tell the order of RFC 8785 from the order by code point."""
    wrong = set()
    for parameter in VECTORS:
        (vector,) = parameter.values
        assert isinstance(vector, dict)
        content = json.loads(vector["json"])
        naive = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        if naive != vector["canonical"] and vector["type"] == "keys":
            wrong.add(vector["name"])
    assert wrong == {
        "keys, astral before private use",
        "keys, astral before last of the basic plane",
        "keys, astral in the middle of a key",
        "keys, astral among many",
    }
