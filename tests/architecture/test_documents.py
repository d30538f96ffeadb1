"""What the documents show works when it is pasted."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/tutorial.md",
        "docs/how-to/keys-and-values.md",
        "docs/how-to/watch-for-changes.md",
        "docs/reference/intents.md",
        "docs/how-to/follow-executions.md",
        "docs/how-to/async.md",
        "docs/how-to/keep-large-contents-beside.md",
        "docs/reference/vectors.md",
    ],
)
def test_the_python_of_a_page_runs_as_it_stands(page: str, tmp_path: Path) -> None:
    blocks = BLOCK.findall((ROOT / page).read_text())
    assert blocks
    done = subprocess.run([sys.executable, "-c", "\n".join(blocks)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_readme_shows_ten_lines() -> None:
    block, *_ = BLOCK.findall((ROOT / "README.md").read_text())
    assert len([line for line in block.splitlines() if line.strip()]) <= 12


def test_every_page_that_is_linked_or_named_exists() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for name in re.findall(r"`(docs/[\w./-]+\.md|benchmarks/README\.md|CHANGELOG\.md)`", page.read_text()):
            assert (ROOT / name).exists(), f"{page.name} names {name}"
