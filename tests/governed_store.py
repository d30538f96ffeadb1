"""A store with something of every kind: two areas with a life of their own, and an application beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from charter_persist import Store
from charter_persist.engine.charter import Charter
from charter_persist.model.digest import Digest
from charter_persist.model.event import Custom
from charter_persist.model.resolution import ResolutionState

AUTHORITY = {"text": "both decide", "rule": "UNANIMOUS_PRESENT", "actors": ["ana", "ben"]}


def ticking() -> Callable[[], datetime]:
    """A clock that goes on by a second each time it is asked."""
    ticks: Iterator[datetime] = iter(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n) for n in range(10**6))
    return lambda: next(ticks)


def decide(charter: Charter, area_id: str, name: str, content: dict | None, **options: object) -> Digest | None:
    """A whole session, accepted by both; the resolution that came of it."""
    session = options.pop("session", {})
    charter.start_session(area_id, problem_statement="why", session_id=name, **session)
    charter.add_candidate(name, content=content, candidate_id=f"{name}-c", **options)
    charter.start(name)
    for actor in ("ana", "ben"):
        charter.record_stance(name, candidate_id=f"{name}-c", stance="ACCEPT", actor=actor)
    accepted = charter.accept(name)
    return accepted.resolutions[0] if accepted.resolutions else None


def initialise(charter: Charter, area_id: str) -> None:
    """An area with its first authority and scope."""
    charter.create_area(label=f"the {area_id}", area_id=area_id, annotations={"n": 1.5}, actor="ana")
    first = {"participants": ["ana", "ben"]}
    decide(charter, area_id, f"{area_id}-1", AUTHORITY, session={"type": "AUTHORITY", **first})
    decide(charter, area_id, f"{area_id}-2", {"text": "all"}, session={"type": "SCOPE", **first})


def govern(store: Store, area_id: str = "a") -> None:
    """An area with resolutions in every state, and sessions in every state."""
    charter = Charter(store)
    initialise(charter, area_id)
    one, two, three = (decide(charter, area_id, f"{area_id}-{n}", {"text": f"decision {n}"}) for n in (3, 4, 5))
    assert one is not None
    assert two is not None
    assert three is not None
    decide(charter, area_id, f"{area_id}-6", {"text": "instead"}, supersedes=[one])
    decide(charter, area_id, f"{area_id}-7", None, transitions={two: ResolutionState.RETIRED})
    charter.mark_under_review(three)
    charter.clear_under_review(three)
    charter.mark_under_review(three)
    decide(charter, area_id, f"{area_id}-8", {"text": "both still"} | AUTHORITY, session={"type": "AUTHORITY"})
    for number, verbs in enumerate(([], ["start"], ["start", "pause"], ["close"])):
        name = f"{area_id}-open-{number}"
        charter.start_session(area_id, problem_statement="what now", session_id=name)
        charter.add_candidate(name, content={"text": "this"}, candidate_id=f"{name}-c", rationale="because")
        for verb in verbs:
            getattr(charter, verb)(name)
    charter.record_stance(f"{area_id}-open-1", candidate_id=f"{area_id}-open-1-c", stance="REJECT", actor="ana")
    charter.set_label(area_id, "best", three)


def apply(store: Store) -> None:
    """What an application writes without the engine."""
    # Not at the top: the suite brings pytest and Hypothesis, and some who need this measure memory.
    from charter_persist.testing.intents import edge, full_intent, intent

    for n in range(6):
        with store.begin() as uow:
            digest = uow.objects.put("doc", {"n": n, "text": "\u20ac" * n, "half": n / 2})
            uow.refs.set(f"label/{n % 3}", digest, expected=n // 3)
            uow.metadata.set(f"key/{n % 2}", {"n": n})
            uow.kv.set(f"/nodes/{n % 3}", b"state %d" % n)
            uow.kv.set(f"/gone/{n}", b"\xff%d" % n)
            uow.audit.append("NOTED", scope="AREA:x", subject=("doc", digest), actor="ana", details={"n": n})
            uow.intents.store(full_intent(f"i{n}"))
            uow.intents.add_edge(edge(f"i{n}", "i0", "Enables", weight=n / 2))
    with store.begin() as uow:
        uow.refs.delete("label/2", expected=2)
        uow.metadata.compact()
        uow.kv.delete("/gone/0")
        uow.kv.compact(upto=4, prefix="/nodes")
        uow.kv.erase("/gone/1")
        uow.kv.set("/leased", b"for a while", lease=uow.leases.grant(86_400.0))
        uow.intents.update(intent("i1", goal="other"))
        uow.intents.delete("i2")
        uow.archive("plan").store({"plan_id": "p1", "text": "\u20ac"})
    execute(store)
    store.run(lambda uow: uow.objects.put("doc", "run"), operation_id="named")
    store.run(lambda uow: None, operation_id="idle")
    store.run(lambda uow: uow.objects.put("doc", "unnamed"))


def execute(store: Store) -> None:
    """What an agent leaves behind; some of it changed, deleted and erased."""
    with store.begin() as uow:
        events = [Custom("n", n) for n in range(4)]
        for name in ("run-1", "run-2"):
            uow.events.append_batch(name, events, tenant_id=f"tenant of {name}")
        uow.messages.create_thread(tenant_id="t", user_id="u", thread_id="talk", title="first")
        uow.messages.create_thread(tenant_id="t", user_id="u", thread_id="gone", title="secret")
        for n in range(3):
            uow.messages.create_message("talk", role="user", content=f"text {n}", message_id=f"m{n}")
        uow.messages.create_message("gone", role="tool", content="secret", message_id="m9")
        uow.messages.create_message("gone", role="user", content="secret", message_id="m10", parent_id="m9")
    with store.begin() as uow:
        uow.messages.update_thread("talk", title="second")
        uow.messages.update_message("m0", expected=1, content="new")
        uow.messages.delete_message("m1")
        uow.events.erase("run-1", sequence=2)
        uow.events.erase("run-2")
        uow.messages.erase_thread("gone")
        uow.states.set("cached", b"1")


def record_everything(store: Store) -> None:
    """All of it; beyond the first tile of the journal."""
    apply(store)
    govern(store, "a")
    govern(store, "b")
    Charter(store).create_area(label="new", area_id="c")
