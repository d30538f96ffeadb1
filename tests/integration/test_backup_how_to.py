"""What docs/how-to/back-up-and-restore.md shows works when it is pasted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parent.parent.parent / "docs" / "how-to" / "back-up-and-restore.md").read_text()


def blocks(language: str) -> str:
    return "\n".join(re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL))


def test_the_commands_run_as_they_stand(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-e", "-c", blocks("sh")],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is sound" in done.stdout
    assert "level: chain" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} >= {"decisions.db", "elsewhere.db", "decisions.db.restored.json"}


def test_the_python_runs_as_it_stands(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", blocks("python")], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
