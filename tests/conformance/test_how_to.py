"""The page for backend authors works as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "how-to" / "write-a-backend.md"


def test_the_blocks_of_the_page_run(tmp_path: Path) -> None:
    text = PAGE.read_text()
    plugin = re.search(r"```\n(pytest_plugins = .*)\n```", text)
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert plugin is not None
    assert len(blocks) == 2
    (tmp_path / "conftest.py").write_text(plugin.group(1))
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
    (tmp_path / "test_mine.py").write_text("\n\n".join(blocks))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-k", "memory_does or ref or reopen"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "it lacks: reopen" not in done.stdout.replace("that it lacks: reopen", "")
    assert re.search(r"\d\d passed", done.stdout), done.stdout


def test_the_page_names_only_what_exists() -> None:
    import charter_persist.testing

    named = set(
        re.findall(r"`([A-Z][A-Za-z]+(?:Conformance|Backend|Capabilities|Places|Door|Fixtures))`", PAGE.read_text())
    )
    known = {*charter_persist.testing.__all__, "LedgerBackend", "BackendCapabilities"}
    assert named <= known
