"""The commands of governance, on one store of a kitchen: what each does, what it tells, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from charter_persist import connect, upgrade
from charter_persist.cli.failure import ExitCode
from charter_persist.engine.charter import Charter
from tests.command_line import Answer, charter


class Kitchen:
    """`charter` on one store, with what the tests do more than once."""

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path}"
        upgrade(self.url)

    def __call__(self, *arguments: str, stdin: bytes = b"", terminal: bool = False) -> Answer:
        return charter("--url", self.url, *arguments, stdin=stdin, terminal=terminal)

    def tell(self, *arguments: str, stdin: bytes = b"") -> Any:
        """The JSON of a call that must go well."""
        told = self(*arguments, "--json", stdin=stdin)
        assert (told.code, told.err) == (ExitCode.FINE, "")
        return told.json

    def decide(self, name: str, *candidate: str, kind: str = "GENERAL", participants: tuple[str, ...] = ()) -> str:
        """A whole session, in which ana accepts; the digest of its resolution."""
        taking_part = [word for who in participants for word in ("--participant", who)]
        self.tell("session", "start", "kitchen", f"About {name}?", "--type", kind, "--id", name, *taking_part)
        self.tell("candidate", "add", name, "--id", "it", *candidate)
        self.tell("session", "activate", name, "--actor", "ana")
        self.tell("stance", name, "it", "accept", "--actor", "ana")
        return str(self.tell("accept", name, "--actor", "ana")["resolutions"][0])

    def initialise(self) -> None:
        """Ana alone decides about food."""
        authority = ("--text", "Ana decides", "--rule", "SOLE_ACTOR", "--decider", "ana")
        self.decide("who", *authority, kind="AUTHORITY", participants=("ana",))
        self.decide("what", "--text", "Food", kind="SCOPE", participants=("ana",))


@pytest.fixture
def empty(tmp_path: Path) -> Kitchen:
    """An area without authority and scope."""
    kitchen = Kitchen(tmp_path / "kitchen.db")
    kitchen.tell("area", "create", "kitchen", "--id", "k-1", "--actor", "ana")
    return kitchen


@pytest.fixture
def kitchen(empty: Kitchen) -> Kitchen:
    """An area in which ana decides alone."""
    empty.initialise()
    return empty


class TestArea:
    @pytest.mark.spec("GOV-1", "GOV-7")
    def test_it_is_made_shown_by_label_and_id_and_retired(self, empty: Kitchen) -> None:
        made = empty.tell("area", "create", "cellar", "--long-name", "The cellar", "--annotations", '{"floor": -1}')
        assert (made["label"], made["long_name"], made["annotations"]) == ("cellar", "The cellar", {"floor": -1})
        assert empty.tell("area", "show", "cellar") == empty.tell("area", "show", made["area_id"])
        assert {area["label"] for area in empty.tell("area", "list")["areas"]} == {"kitchen", "cellar"}
        shown = empty.tell("area", "show", "cellar")
        assert (shown["initialised"], shown["retired"], shown["authority"]) == (False, False, None)
        assert empty.tell("area", "retire", "cellar", "--reason", "flooded")["reason"] == "flooded"
        assert empty.tell("area", "show", "cellar")["retired"] is True
        assert empty("session", "start", "cellar", "?", "--json").error["code"] == "rule"

    def test_authority_and_scope_say_who_and_what(self, empty: Kitchen) -> None:
        assert empty("authority", "kitchen").out == "area k-1 has no authority yet\n"
        assert empty.tell("scope", "kitchen") == {"area_id": "k-1", "scope": None}
        empty.initialise()
        told = empty.tell("authority", "k-1")["authority"]
        assert told["object"]["content"] == {"text": "Ana decides", "rule": "SOLE_ACTOR", "actors": ["ana"]}
        assert "actors: ana\n" in empty("authority", "kitchen").out
        assert "text: Food\n" in empty("scope", "kitchen").out
        assert empty.tell("area", "show", "kitchen")["resolutions"]["ACTIVE"] == 2

    def test_a_name_that_is_an_id_here_and_a_label_there_is_ambiguous(self, empty: Kitchen) -> None:
        empty.tell("area", "create", "k-1")
        error = empty("area", "show", "k-1", "--json").error
        assert error["code"] == "ambiguous"
        assert len(error["facts"]["candidates"]) == 2

    def test_an_unknown_one_and_a_taken_label_are_refused(self, empty: Kitchen) -> None:
        for name in ("area show", "authority", "scope", "resolution list", "session list", "graph", "area retire"):
            assert empty(*name.split(), "attic", "--json").error["code"] == "not-found", name
        error = empty("area", "create", "kitchen", "--json").error
        assert (error["code"], error["facts"]) == ("already-exists", {"label": "kitchen"})
        assert empty("area", "create", "x", "--annotations", "{", "--json").error["code"] == "not-canonical"


class TestSession:
    @pytest.mark.spec("GOV-3")
    def test_it_moves_through_its_states(self, kitchen: Kitchen) -> None:
        kitchen.tell("session", "start", "kitchen", "Soup?", "--id", "soup", "--required", "ana")
        told = [
            kitchen.tell("session", *words.split(), "--actor", "bo")["state"]
            for words in ("activate soup", "pause soup", "resume soup", "block soup --reason cold", "unblock soup")
        ]
        assert told == ["ACTIVE", "PAUSED", "ACTIVE", "BLOCKED", "PAUSED"]
        assert kitchen.tell("session", "close", "soup", "--reason", "bored")["state"] == "CLOSED"
        assert [
            s["session_id"] for s in kitchen.tell("session", "list", "kitchen", "--state", "CLOSED")["sessions"]
        ] == ["soup"]
        assert kitchen.tell("session", "show", "soup")["constraints"]["required_participants"] == ["ana"]

    @pytest.mark.spec("GOV-3", "GOV-6")
    def test_a_refusal_tells_message_code_and_rule(self, kitchen: Kitchen) -> None:
        kitchen.tell("session", "start", "kitchen", "Soup?", "--id", "soup")
        told = kitchen("session", "pause", "soup")
        assert told.code == ExitCode.REFUSED
        assert told.err.startswith("charter: session soup is CREATED;")
        assert told.err.endswith("[invalid-transition, GOV-3]\n")
        error = kitchen("accept", "soup", "--json").error
        assert (error["code"], error["facts"]["rule"]) == ("invalid-transition", "GOV-3")

    @pytest.mark.spec("GOV-7")
    def test_without_authority_and_scope_nothing_general_is_decided(self, empty: Kitchen) -> None:
        error = empty("session", "start", "kitchen", "Soup?", "--json").error
        assert (error["code"], error["facts"]["rule"]) == ("not-initialised", "GOV-7")

    def test_what_is_looked_at_may_be_given_by_label_and_prefix(self, kitchen: Kitchen) -> None:
        soup = kitchen.decide("soup", "--text", "Soup")
        kitchen.tell("area", "create", "cellar", "--id", "c-1")
        looking = ("--look-at", soup[:12], "--look-at-area", "cellar")
        made = kitchen.tell("session", "start", "kitchen", "Wine?", *looking)
        assert made["references"] == {"area_ids": ["c-1"], "resolution_ids": [soup]}

    def test_it_is_shown_to_people_with_candidates_and_stances(self, kitchen: Kitchen) -> None:
        kitchen.decide("soup", "--text", "Soup\nevery day", "--rationale", "It is cold")
        for terminal in (False, True):
            told = kitchen("session", "show", "soup", terminal=terminal).out
            for text in ("ACCEPTED", "Soup\\nevery day", "It is cold", "ACCEPT", "About soup?"):
                assert text in told
        assert "It is cold" in kitchen("candidate", "list", "soup").out

    def test_a_session_of_an_application_is_shown_as_well(self, kitchen: Kitchen) -> None:
        with connect(kitchen.url) as store, store.begin() as uow:
            uow.sessions.create(session_id="own", area_id="k-1", problem_statement="?")
            for number, content in enumerate([["a", 1], {"text": "b"}, {"transitions": 3}, "c"]):
                uow.sessions.add_candidate("own", content, candidate_id=f"c{number}")
        told = kitchen("candidate", "list", "own")
        assert told.code == ExitCode.FINE
        assert len(told.out.splitlines()) == 5


class TestCandidateAndStance:
    @pytest.mark.spec("GOV-4", "GOV-5")
    def test_evaluation_says_why_and_acceptance_follows_it(self, empty: Kitchen) -> None:
        empty.tell("session", "start", "kitchen", "Who?", "--type", "AUTHORITY", "--id", "who", "--participant", "ana")
        rule = ("--rule", "MAJORITY_PRESENT", "--decider", "ana", "--decider", "bo")
        empty.tell("candidate", "add", "who", "--id", "both", "--text", "Both", *rule)
        empty.tell("session", "activate", "who")
        assert empty.tell("evaluate", "who")["verdict"] == "INCOMPLETE"
        assert empty("accept", "who").err.endswith("[rule, GOV-5]\n")
        assert empty("stance", "who", "both", "accept", "--actor", "bo", "--json").error["code"] == "rule"
        empty.tell("stance", "who", "both", "reject", "--actor", "ana")
        told = empty.tell("evaluate", "who")
        assert told["candidates"]["both"] == {"verdict": "BLOCKED", "reasons": ["not unanimous: ana says REJECT"]}
        empty.tell("stance", "who", "both", "accept", "--actor", "ana")
        assert "ACCEPTABLE" in empty("evaluate", "who").out
        done = empty.tell("accept", "who", "both")
        assert done["session_id"] == "who"
        assert empty.tell("authority", "kitchen")["authority"]["object_hash"] == done["resolutions"][0]

    def test_content_may_be_a_whole_file(self, kitchen: Kitchen, tmp_path: Path) -> None:
        content = {"text": "Soup", "servings": 4}
        file = tmp_path / "content.json"
        file.write_text(json.dumps(content), encoding="utf-8")
        kitchen.tell("session", "start", "kitchen", "Soup?", "--id", "soup")
        made = kitchen.tell("candidate", "add", "soup", "--content", str(file))
        assert made["content"]["content"] == content
        made = kitchen.tell("candidate", "add", "soup", "--content", "-", stdin=json.dumps(content).encode())
        assert made["content"]["content"] == content

    @pytest.mark.parametrize(
        "options", [("--rule", "SOLE_ACTOR"), ("--decider", "ana"), ("--text", "x", "--content", "-")], ids=" ".join
    )
    def test_options_that_do_not_go_together_are_usage(self, kitchen: Kitchen, options: tuple[str, ...]) -> None:
        assert kitchen("candidate", "add", "soup", *options).code == ExitCode.USAGE

    def test_a_stance_needs_an_actor_and_a_known_word(self, kitchen: Kitchen) -> None:
        assert kitchen("stance", "soup", "it", "accept").code == ExitCode.USAGE
        assert kitchen("stance", "soup", "it", "maybe", "--actor", "ana").code == ExitCode.USAGE

    @pytest.mark.spec("GOV-2")
    def test_a_candidate_may_change_the_state_of_others_alone(self, kitchen: Kitchen) -> None:
        soup = kitchen.decide("soup", "--text", "Soup")
        kitchen.tell("session", "start", "kitchen", "Away?", "--id", "away")
        kitchen.tell("candidate", "add", "away", "--id", "it", "--transition", soup[:12], "RETIRED")
        assert f"{soup} becomes RETIRED" in kitchen("candidate", "list", "away").out
        kitchen.tell("session", "activate", "away")
        kitchen.tell("stance", "away", "it", "accept", "--actor", "ana")
        done = kitchen.tell("accept", "away")
        assert (done["resolutions"], len(done["transitions"])) == ([], 1)
        assert kitchen.tell("resolution", "show", soup)["state"] == "RETIRED"


class TestResolution:
    @pytest.fixture
    def chain(self, kitchen: Kitchen) -> tuple[str, str]:
        """Soup, and the salad that superseded it."""
        soup = kitchen.decide("soup", "--text", "Soup\nevery day")
        return soup, kitchen.decide("salad", "--text", "Salad", "--supersedes", soup[:10])

    @pytest.mark.spec("GOV-13", "IDX-4")
    def test_the_list_has_states_and_filters(self, kitchen: Kitchen, chain: tuple[str, str]) -> None:
        soup, salad = chain
        told = kitchen.tell("resolution", "list", "kitchen", "--type", "GENERAL")["resolutions"]
        assert [(item["resolution_id"], item["state"]) for item in told] == [(soup, "SUPERSEDED"), (salad, "ACTIVE")]
        told = kitchen.tell("resolution", "list", "kitchen", "--state", "ACTIVE")["resolutions"]
        assert {item["type"] for item in told} == {"AUTHORITY", "SCOPE", "GENERAL"}
        assert kitchen("resolution", "list", "kitchen").out.splitlines()[3].endswith("\tSoup")

    def test_one_is_shown_with_what_became_of_it(self, kitchen: Kitchen, chain: tuple[str, str]) -> None:
        soup, salad = chain
        shown = kitchen.tell("resolution", "show", soup[:12])
        assert (shown["superseded_by"], shown["imported"]) == ([salad], False)
        assert kitchen("resolution", "show", soup).out.endswith("Soup\nevery day\n")
        history = kitchen.tell("resolution", "history", soup)["events"]
        assert [event["event_type"] for event in history] == ["RESOLUTION_ACCEPTED", "RESOLUTION_SUPERSEDED"]

    @pytest.mark.spec("HASH-4")
    def test_only_the_digest_of_a_resolution_names_one(self, kitchen: Kitchen) -> None:
        (area,) = kitchen.tell("area", "list")["areas"]
        error = kitchen("resolution", "show", area["object_hash"], "--json").error
        assert (error["code"], error["message"].split("is of type ")[1]) == ("not-found", "area, not a resolution")
        assert kitchen("resolution", "show", "zz", "--json").error["code"] == "invalid-input"

    @pytest.mark.spec("GOV-2")
    def test_review_is_marked_and_cleared_and_retirement_is_a_session(
        self, kitchen: Kitchen, chain: tuple[str, str]
    ) -> None:
        soup, salad = chain
        assert kitchen.tell("resolution", "mark-under-review", salad)["state"] == "UNDER_REVIEW"
        assert kitchen.tell("resolution", "clear-under-review", salad)["state"] == "ACTIVE"
        done = kitchen.tell("resolution", "retire", salad, "--actor", "ana", "--problem", "Winter?")
        assert len(done["transitions"]) == 1
        assert kitchen.tell("session", "show", done["session_id"])["problem_statement"] == "Winter?"
        assert kitchen("resolution", "retire", soup, "--actor", "ana", "--json").error["code"] == "invalid-transition"
        assert kitchen("resolution", "retire", soup).code == ExitCode.USAGE

    @pytest.mark.spec("GOV-14")
    def test_what_was_not_imported_is_not_reviewed(self, kitchen: Kitchen, chain: tuple[str, str]) -> None:
        told = kitchen("resolution", "review", "i-1", chain[0], "rejected", "--json")
        assert told.error["facts"]["rule"] == "GOV-14"
        assert kitchen("resolution", "close-import", "i-1", "--json").error["code"] == "not-found"


class TestAsOf:
    @pytest.mark.spec("GOV-15")
    def test_the_past_is_told_as_it_was(self, kitchen: Kitchen) -> None:
        soup = kitchen.decide("soup", "--text", "Soup")
        then = kitchen.tell("status")["revision"]
        kitchen.decide("salad", "--text", "Salad", "--supersedes", soup)
        past = ("--as-of", str(then))
        assert kitchen.tell("resolution", "show", soup, *past)["state"] == "ACTIVE"
        assert kitchen.tell("resolution", "show", soup)["state"] == "SUPERSEDED"
        assert kitchen.tell("area", "show", "kitchen", *past)["resolutions"]["SUPERSEDED"] == 0
        assert kitchen.tell("graph", *past)["edges"] == []
        assert len(kitchen.tell("graph")["edges"]) == 1
        assert kitchen.tell("rebuild", *past)["digest"] != kitchen.tell("rebuild")["digest"]
        assert [s["session_id"] for s in kitchen.tell("session", "list", "kitchen", *past)["sessions"]] == [
            "soup",
            "what",
            "who",
        ]
        assert kitchen("session", "show", "salad", *past, "--json").error["code"] == "not-found"
        for words in ("authority kitchen", "scope kitchen", "evaluate soup", "timeline soup", "audit list"):
            assert kitchen(*words.split(), "--as-of", "9999", "--json").error["code"] == "not-found", words


class TestTimelineAndAudit:
    @pytest.fixture
    def told(self, kitchen: Kitchen) -> tuple[Kitchen, str]:
        soup = kitchen.decide("soup", "--text", "Soup")
        kitchen.decide("salad", "--text", "Salad", "--supersedes", soup)
        return kitchen, soup

    @pytest.mark.spec("GOV-9")
    def test_the_story_of_an_area_is_all_of_it_in_order(self, told: tuple[Kitchen, str]) -> None:
        kitchen, _ = told
        story = kitchen.tell("timeline", "kitchen")
        positions = [event["position"] for event in story["events"]]
        assert positions == sorted(positions)
        assert len(positions) == len(kitchen.tell("audit", "list")["events"])
        sentences = [event["sentence"] for event in story["events"]]
        assert sentences[0] == "created the area kitchen"
        assert "started session soup (GENERAL): About soup?" in sentences
        assert [s for s in sentences if s.startswith("GENERAL resolution") and s.endswith(" took force: Soup")]
        assert not [sentence for sentence in sentences if sentence.isupper() or "{" in sentence]

    def test_that_of_a_session_is_its_own_and_that_of_a_resolution_goes_on(self, told: tuple[Kitchen, str]) -> None:
        kitchen, soup = told
        session = [event["event_type"] for event in kitchen.tell("timeline", "soup")["events"]]
        assert (session[0], session[-1]) == ("SESSION_CREATED", "RESOLUTION_ACCEPTED")
        resolution = [event["event_type"] for event in kitchen.tell("timeline", soup[:12])["events"]]
        assert resolution == [*session, "RESOLUTION_SUPERSEDED"]

    def test_a_long_one_is_told_in_parts_and_says_so(self, told: tuple[Kitchen, str]) -> None:
        kitchen, _ = told
        whole = kitchen.tell("timeline", "kitchen")["events"]
        first = kitchen.tell("timeline", "kitchen", "--limit", "5")
        rest = kitchen.tell("timeline", "kitchen", "--after", str(first["after"]))
        assert [*first["events"], *rest["events"]] == whole
        assert rest["after"] is None
        assert kitchen("timeline", "kitchen", "--limit", "5").out.endswith(f"more: --after {first['after']}\n")

    def test_a_name_of_nothing_or_of_several_is_refused(self, told: tuple[Kitchen, str]) -> None:
        kitchen, _ = told
        assert kitchen("timeline", "attic", "--json").error["code"] == "not-found"
        kitchen.tell("area", "create", "soup")
        assert kitchen("timeline", "soup", "--json").error["code"] == "ambiguous"

    def test_an_event_of_any_other_form_is_told_by_its_type(self, kitchen: Kitchen) -> None:
        with connect(kitchen.url) as store, store.begin() as uow:
            for number, details in enumerate([None, [1], {"reason": None}, {"from": "{0}", "to": "{x}"}]):
                kind = ("SESSION_BLOCKED", "OWN", "SESSION_CREATED", "STATUS_CHANGED")[number]
                uow.audit.append(kind, scope="AREA:k-1", subject=("session", "\x9b31m{y}"), details=details)
        out = kitchen("timeline", "kitchen").out.splitlines()[-4:]
        assert [line.split("\t")[3] for line in out] == [
            "SESSION_BLOCKED session \\x9b31m{y}",
            "OWN session \\x9b31m{y}",
            "SESSION_CREATED session \\x9b31m{y}",
            "\\x9b31m{y} became {x}",
        ]

    @pytest.mark.parametrize("name", ["rule-1", "0" * 64])
    def test_a_resolution_of_an_application_is_told_without_its_text(self, kitchen: Kitchen, name: str) -> None:
        with connect(kitchen.url) as store, store.begin() as uow:
            own = uow.objects.put("resolution", {"text": "own"})
            for subject in (name, own):
                uow.audit.append("RESOLUTION_RETIRED", scope="AREA:k-1", subject=("resolution", subject))
        told = kitchen.tell("timeline", "kitchen")["events"][-2:]
        assert [event["sentence"] for event in told] == [
            f"resolution {name[:12]} was retired",
            f"resolution {own[:12]} was retired",
        ]

    def test_audit_is_filtered_by_area_resolution_session_and_participant(self, told: tuple[Kitchen, str]) -> None:
        kitchen, soup = told

        def found(*filters: str) -> list[dict[str, Any]]:
            return list(kitchen.tell("audit", "list", *filters)["events"])

        assert {event["scope"] for event in found("--area", "kitchen")} == {"AREA:k-1"}
        assert {event["subject"]["object_id"] for event in found("--resolution", soup[:12])} == {soup}
        of_session = found("--session", "soup")
        assert {event["subject"]["object_type"] for event in of_session} == {"session", "resolution"}
        assert {event["context"]["session_id"] for event in of_session} == {"soup"}
        assert {event["actor"] for event in found("--participant", "ana")} == {"ana"}
        assert found("--participant", "ana", "--session", "soup", "--type", "SESSION_ACCEPTED")
        assert found("--participant", "nobody") == []
        for pair in (("--area", "kitchen", "--scope", "GLOBAL"), ("--resolution", soup, "--subject", "a", "b")):
            assert kitchen("audit", "list", *pair).code == ExitCode.USAGE


class TestRebuild:
    @pytest.mark.spec("IDX-2", "IDX-9")
    def test_it_counts_and_its_digest_depends_on_the_objects_alone(self, kitchen: Kitchen) -> None:
        soup = kitchen.decide("soup", "--text", "Soup")
        before = kitchen.tell("rebuild")
        (counts,) = before["areas"]
        assert (counts["label"], counts["ACTIVE"], before["findings"]) == ("kitchen", 3, [])
        with connect(kitchen.url) as store:
            Charter(store).set_label("k-1", "daily", soup)
        after = kitchen.tell("rebuild")
        assert after["digest"] == before["digest"]
        assert after["position"] == kitchen.tell("status")["entries"]

    @pytest.mark.spec("IDX-7")
    def test_what_contradicts_itself_is_found_and_the_exit_code_says_so(self, kitchen: Kitchen) -> None:
        soup = kitchen.tell("get", kitchen.decide("soup", "--text", "Soup"))["object"]
        kitchen.tell("put", "resolution", stdin=json.dumps({**soup, "session_digest": "0" * 64}).encode())
        told = kitchen("rebuild", "--json")
        assert told.code == ExitCode.REFUSED
        assert "MISSING_SESSION" in {finding["code"] for finding in told.json["findings"]}
        assert "MISSING_SESSION" in kitchen("rebuild").out

    def test_a_ref_that_was_turned_is_found(self, kitchen: Kitchen) -> None:
        scope = kitchen.tell("area", "show", "kitchen")["scope"]
        kitchen.tell("refs", "set", "area/k-1/authority", scope, "--expected", "1")
        assert {finding["code"] for finding in kitchen("rebuild", "--json").json["findings"]} == {"REF_MISMATCH"}


class TestGraph:
    @pytest.mark.spec("IDX-5")
    def test_each_form_says_what_superseded_what(self, kitchen: Kitchen, tmp_path: Path) -> None:
        soup = kitchen.decide("soup", "--text", "Soup\nevery day")
        salad = kitchen.decide("salad", "--text", "Salad", "--supersedes", soup)
        assert kitchen.tell("graph", "kitchen")["edges"] == [{"successor": salad, "superseded": soup}]
        lines = kitchen("graph").out.splitlines()
        assert lines[0] == "kitchen: 4 resolutions"
        assert [line.split()[1:3] for line in lines[2:4]] == [[salad[:12], "ACTIVE"], [soup[:12], "SUPERSEDED"]]
        assert f'"{salad}" -> "{soup}";' in kitchen("graph", "--format", "dot").out
        file = tmp_path / "graph.svg"
        told = kitchen.tell("graph", "--format", "svg", "--output", str(file))
        assert (told["file"], told["format"]) == (str(file), "svg")
        assert file.read_text(encoding="utf-8") == kitchen("graph", "--format", "svg").out
        assert str(file) in kitchen("graph", "--output", str(file)).out

    def test_the_lineage_of_one_leaves_the_others_out(self, kitchen: Kitchen) -> None:
        soup = kitchen.decide("soup", "--text", "Soup")
        nodes = kitchen.tell("graph", "--resolution", soup[:12])["nodes"]
        assert [node["resolution_id"] for node in nodes] == [soup]

    def test_one_of_another_area_and_a_folder_are_refused(self, kitchen: Kitchen, tmp_path: Path) -> None:
        kitchen.tell("area", "create", "cellar")
        soup = kitchen.decide("soup", "--text", "Soup")
        assert kitchen("graph", "cellar", "--resolution", soup, "--json").error["code"] == "not-found"
        assert kitchen("graph", "--output", str(tmp_path / "no" / "file")).code == ExitCode.UNAVAILABLE
        assert kitchen("graph", "--output", str(tmp_path)).code == ExitCode.USAGE

    def test_an_edge_that_points_nowhere_is_told_and_not_left_out(self, kitchen: Kitchen) -> None:
        soup = kitchen.tell("get", kitchen.decide("soup", "--text", "Soup"))["object"]
        kitchen.tell("put", "resolution", stdin=json.dumps({**soup, "supersedes": ["0" * 64]}).encode())
        error = kitchen("graph", "--json").error
        assert (error["code"], error["facts"]) == ("dangling-reference", {"digest": "0" * 64})

    def test_an_empty_store_has_an_empty_one(self, tmp_path: Path) -> None:
        bare = Kitchen(tmp_path / "bare.db")
        assert bare("graph").out == "no resolutions\n"
        assert bare("graph", "--format", "svg").out.startswith("<svg")
        assert bare.tell("graph") == {"nodes": [], "edges": [], "format": "text", "file": None}
