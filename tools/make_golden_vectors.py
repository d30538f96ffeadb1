"""Makes the golden digests of a release: ``python tools/make_golden_vectors.py tests/golden/0.1.0/digests.json``.

The route is independent of the package: JSON text through the standard library, canonical bytes by ``rfc8785``, the
header and hash function by hand; ``--version v2`` behind the path makes those of the second hash version. The expected
texts of the numbers are those of RFC 8785, appendix B. A file that exists is never overwritten: the vectors of a release
are frozen, a new release gets a new folder.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from hashlib import sha3_256, sha256
from pathlib import Path
from typing import Any

import rfc8785

Vector = dict[str, str]
Case = tuple[str, str, str]
"""Name, object type, content as JSON text."""

APPENDIX_B = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}
"""Bits of a double, and the text that RFC 8785 gives for it."""

SAMPLES = {
    "rfc8785 3.2.2 sample": (
        '{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001], '
        r'"string": "\u20ac$\u000F\u000aA\u0027\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}'
    ),
    "rfc8785 3.2.3 order of keys": (
        r'{"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One", '
        r'"\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", '
        r'"\u00f6": "Latin Small Letter O With Diaeresis"}'
    ),
    "order of keys at every level": (
        '{"1": {"f": {"f": "hi", "F": 5}, "\\n": 56.0}, "10": {}, "": "empty", "a": {}, '
        '"111": [{"e": "yes", "E": "no"}], "A": {}}'
    ),
    "arrays keep their order": '[56, {"d": true, "10": null, "1": []}]',
}

TEXTS = {
    "empty": "",
    "quote and backslash": '"\\',
    "slash is not escaped": "</script>",
    "line separators are not escaped": "\u2028\u2029",
    "composed": "\u00c5ngstr\u00f6m",
    "decomposed": "A\u030angstro\u0308m",
    "compatibility ligature": "\ufb01 fi",
    "last before surrogates": "\ud7ff",
    "first after surrogates": "\ue000",
    "noncharacters": "\ufffe\uffff\ufdd0",
    "byte order mark inside": "\ufeffa\ufeff",
    "first astral": "\U00010000",
    "last astral": "\U0010ffff",
    "emoji sequence": "\U0001f469\u200d\U0001f680\U0001f3fd",
    "flag": "\U0001f1ea\U0001f1fa",
    "right to left": "\u0634\u0643\u0631\u0627 \u05ea\u05d5\u05d3\u05d4",
    "chinese": "\u6c7a\u5b9a\u306e\u8a18\u9332",
    "indic": "\u0928\u093f\u0930\u094d\u0923\u092f",
    "combining stack": "Z\u0351\u036b\u0343\u036a",
    "looks like an escape": "\\u0041 \\n",
    "looks like a number": "1.0",
    "ten thousand characters": "0123456789" * 1000,
    "two bytes, long": "\u00e9" * 500,
    "four bytes, long": "\U0001f600" * 250,
}

KEY_SETS = {
    "empty key": ["", "a"],
    "digits sort as text": ["10", "9", "1", "01"],
    "case": ["b", "B", "a", "A", "_"],
    "prefixes": ["aaa", "a", "aa", "a\u0000"],
    "controls": ["\u0000", "\u001f", "\u007f", "\u0080", " "],
    "composed and decomposed are two keys": ["\u00e9", "e\u0301"],
    "astral before private use": ["\ue000", "\U00010000"],
    "astral before last of the basic plane": ["\uffff", "\U0010ffff", "\ud7ff"],
    "astral in the middle of a key": ["a\uffffb", "a\U0001f600b", "a\U0001f600a"],
    "astral among many": ["z", "\U0001f600", "\ufb33", "\u20ac", "\U0001d11e", "\uff5e", "1"],
    "quotes and slashes": ['"', "\\", "/", "'"],
    "path-like": ["area/1/scope", "area/1", "area/1/authority", "area/10"],
}

OBJECT_TYPES = ["area", "Area", "a", "z" * 64, "audit_event", "import-review", "x.y.z", "A1", "resolution", "session"]

AREA = "0192f0c1-5f3e-7d2a-9b1c-3e5d7f9a1b2c"
ACTORS = ["ada", "grace", "\u00c9mile", "\u0414\u043c\u0438\u0442\u0440\u0438\u0439", "\u674e\u96f7"]


def number_cases() -> Iterator[Case]:
    """Numbers of RFC 8785 and round them: powers of ten, powers of two, the edges of the integers."""
    for bits, expected in APPENDIX_B.items():
        (number,) = struct.unpack(">d", bytes.fromhex(bits))
        if rfc8785.dumps(number) != expected.encode():
            raise AssertionError(f"{bits}: rfc8785 gives another text than appendix B")
        yield f"appendix B {bits}", "number", repr(number)
    for exponent in range(-10, 26):
        yield f"power of ten {exponent}", "number", f'{{"value":1e{exponent}}}'
    for exponent in (-1074, -1022, -53, -1, 10, 31, 52, 54, 63, 64, 70):
        yield f"power of two {exponent}", "number", f'{{"value":{float(2) ** exponent!r}}}'
    for integer in (0, 1, -1, 42, 2**31 - 1, 2**31, 2**32, -(2**31), 10**15, 2**53 - 1, -(2**53) + 1):
        yield f"integer {integer}", "number", f'{{"value":{integer}}}'
    yield "integers and floats that are equal", "number", "[1, 1.0, 1e0, 10e-1, -0, -0.0, 0e5]"


def text_cases() -> Iterator[Case]:
    """Every control character by itself, and texts that are never normalised."""
    for code in [*range(0x20), 0x7F, 0x80, 0x9F]:
        yield f"control U+{code:04X}", "text", json.dumps({"text": f"a{chr(code)}b"})
    for name, text in TEXTS.items():
        yield f"text, {name}", "text", json.dumps(text)
    for name, keys in KEY_SETS.items():
        yield f"keys, {name}", "keys", json.dumps({key: index for index, key in enumerate(keys)})


def structure_cases() -> Iterator[Case]:
    """Containers: empty, deep, wide; one content under many types."""
    for name, text in SAMPLES.items():
        yield name, "sample", text
    for text in ("null", "true", "false", "[]", "{}", '""', "[[]]", "[{}]", '{"a":[]}', "[null,[null,[null]]]"):
        yield f"structure {text}", "area", text
    yield "the value of the specification", "area", '{"value": 42}'
    yield "deepest arrays", "deep", "[" * 128 + "]" * 128
    yield "deepest objects", "deep", '{"a":' * 127 + "{}" + "}" * 127
    yield "deep mixture", "deep", '[{"k":' * 63 + "[0.5]" + "}]" * 63
    yield "wide array", "wide", json.dumps(list(range(1000)))
    yield "wide object", "wide", json.dumps({f"key-{index * 7919 % 1000}": index for index in range(1000)})
    for object_type in OBJECT_TYPES:
        yield f"type {object_type}", object_type, '{"same":"content"}'


def domain_cases() -> Iterator[Case]:
    """Objects as the package records them."""
    for index, actor in enumerate(ACTORS):
        created = f"2026-11-{index + 1:02d}T08:00:00Z"
        ids = {kind: sha256(f"{kind}/{index}".encode()).hexdigest() for kind in ("resolution", "session", "candidate")}
        cases: dict[str, dict[str, Any]] = {
            "area": {"area_id": AREA, "created_at": created, "label": f"Area {index}", "parent": None},
            "resolution": {
                "resolution_id": ids["resolution"],
                "area_id": AREA,
                "kind": "AUTHORITY" if index == 0 else "DECISION",
                "content": {"text": f"Rule {index}", "rule": "MAJORITY_PRESENT", "actors": ACTORS[: index + 1]},
                "supersedes": [ids["candidate"]] * index,
                "accepted_at": f"2026-11-{index + 1:02d}T08:00:00.{index + 1:06d}Z",
            },
            "candidate": {
                "candidate_id": ids["candidate"],
                "text": f"\u201cAdopt {index}\u201d\n\tas written",
                "by": actor,
            },
            "stance": {
                "session_id": ids["session"],
                "actor": actor,
                "stance": ["ACCEPT", "REJECT", "ABSTAIN"][index % 3],
            },
            "session": {
                "session_id": ids["session"],
                "state": "ACCEPTED",
                "stances": dict.fromkeys(ACTORS, "ACCEPT"),
                "quorum": 0.5 + index / 8,
                "opened_at": created,
            },
            "transition": {
                "resolution": ids["resolution"],
                "from": "ACTIVE",
                "to": "RETIRED",
                "previous": None if index == 0 else ids["candidate"],
                "session": ids["session"],
            },
            "audit": {
                "event_id": ids["session"],
                "scope": "GLOBAL" if index == 0 else f"AREA:{AREA}",
                "type": "SESSION_ACCEPTED",
                "subject": ["session", ids["session"]],
                "actor": actor,
                "details": {"count": index, "cost_usd": index * 0.07, "note": None, "final": index == 4},
            },
        }
        for object_type, content in cases.items():
            yield f"domain {object_type} {index}", object_type, json.dumps(content)


def build_vectors(version: str = "v1") -> list[Vector]:
    """Compute every vector of a hash version, in a fixed order."""
    hashed = {"v1": sha256, "v2": sha3_256}[version]
    vectors = []
    for make_cases in (structure_cases, number_cases, text_cases, domain_cases):
        for name, object_type, text in make_cases():
            canonical = rfc8785.dumps(json.loads(text))
            header = f"charter:{version}\ntype:{object_type}\nlen:{len(canonical)}\n"
            digest = hashed(header.encode("ascii") + canonical).hexdigest()
            vectors.append(
                {"name": name, "type": object_type, "json": text, "canonical": canonical.decode(), "digest": digest}
            )
    return vectors


def render(vectors: list[Vector]) -> str:
    """Write the file: ASCII, one vector a line, so that a change shows as one line."""
    return "[\n" + ",\n".join(json.dumps(vector) for vector in vectors) + "\n]\n"


def main(path: Path, version: str = "v1") -> None:
    """Write the vectors to a new file."""
    vectors = build_vectors(version)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="ascii") as file:
        file.write(render(vectors))
    print(f"{path}: {len(vectors)} vectors")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[3] if sys.argv[2:3] == ["--version"] else "v1")
