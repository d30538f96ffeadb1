"""Indexes of the past: rebuilt as of a revision they have the digest that was live right after it."""

from __future__ import annotations

import pytest

from charter_persist import Charter, connect, upgrade
from charter_persist.errors import NotFoundError
from charter_persist.index.live import LiveIndex
from charter_persist.index.rebuild import digest_of, rebuild
from charter_persist.store import Store
from charter_persist.testing.deciding import decide, initialise


def live_digest(index: LiveIndex, store: Store) -> tuple[int, str]:
    """The present revision, and the digest of the live index at it."""
    with index.lock, store.read() as view, index.at(view.reader) as live:
        return view.revision, digest_of(live)


@pytest.mark.spec("GOV-15", "IDX-9")
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_an_index_as_of_a_revision_has_the_digest_that_was_live_then(
    kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    url = "memory://"
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('past') / 'charter.db'}"
        upgrade(url)
    with connect(url) as store:
        charter, index = Charter(store), LiveIndex()
        then = [live_digest(index, store)]
        area_id = initialise(charter, "a")
        then.append(live_digest(index, store))
        (first,) = decide(charter, area_id).resolutions
        then.append(live_digest(index, store))
        (second,) = decide(charter, area_id, supersedes=[first]).resolutions
        then.append(live_digest(index, store))
        charter.mark_under_review(second)
        then.append(live_digest(index, store))
        charter.retire(second, actor="ana")
        then.append(live_digest(index, store))
        assert len({digest for _, digest in then}) == len(then)
        for revision, digest in then:
            with store.read(as_of=revision) as view:
                assert digest_of(rebuild(view.reader)) == digest
        assert charter.as_of(then[2][0]).resolution(first).state == "ACTIVE"
        assert charter.as_of(then[4][0]).resolution(second).state == "UNDER_REVIEW"
        with pytest.raises(NotFoundError):
            charter.as_of(then[-1][0] + 1)
