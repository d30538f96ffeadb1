"""The modes of an engine: which of them decides, and which evaluates."""

from __future__ import annotations

import pytest

from charter_persist import Charter, connect
from charter_persist.engine.boot import BootMode
from charter_persist.errors import ReadOnlyError


@pytest.mark.spec("GOV-10")
@pytest.mark.parametrize("mode", [mode for mode in BootMode if mode is not BootMode.NORMAL])
def test_only_an_engine_in_mode_normal_decides(mode: BootMode) -> None:
    with connect("memory://") as store:
        area = Charter(store).create_area(label="before")
        session = Charter(store).start_session(
            area.area_id, problem_statement="Who decides?", type="AUTHORITY", participants=["ann"]
        )
        charter = Charter(store, mode=mode)
        with pytest.raises(ReadOnlyError):
            charter.create_area(label="after")
        assert [entry.label for entry in charter.areas()] == ["before"]
        assert charter.boot().mode is mode
        if mode is BootMode.READ_ONLY:
            assert charter.evaluate(session.session_id).candidates == {}
        else:
            with pytest.raises(ReadOnlyError):
                charter.evaluate(session.session_id)
