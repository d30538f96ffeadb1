"""The memory backend forgets what was rolled back."""

from __future__ import annotations

import pytest

from charter_persist import connect
from charter_persist.backends.memory import MemoryBackend


@pytest.mark.parametrize("scanned", [False, True])
def test_a_unit_that_was_rolled_back_leaves_nothing_in_any_order(scanned: bool) -> None:
    with connect("memory://") as store:
        with store.begin() as uow:
            uow.objects.put_many(("doc", {"kept": n}) for n in range(50))
        backend = store._backend
        assert isinstance(backend, MemoryBackend)
        before = {name: [len(entries) for entries in table.entries.values()] for name, table in backend.tables.items()}
        with pytest.raises(ZeroDivisionError), store.begin() as uow:
            uow.objects.put_many(("doc", {"gone": n}) for n in range(3_000))
            uow.metadata.set("gone", 1)
            ref = uow.refs.set("gone", uow.objects.put("doc", {"kept": 1}), expected=0)
            uow.refs.delete("gone", expected=ref.version)  # created and deleted: only its absence is written
            if scanned:
                assert len(list(uow.objects.iter("doc"))) == 3_050
            raise ZeroDivisionError
        after = {name: [len(entries) for entries in table.entries.values()] for name, table in backend.tables.items()}
        assert after == before
        with store.read() as view:
            assert len(list(view.objects.iter())) == 50
