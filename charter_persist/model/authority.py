"""Who may decide: the rules of an authority, the constraints a session captures, and the evaluation of its stances.

Pure: the same session always has the same evaluation, and it says why. Source: GOV-5, NEIGHBOURS 2.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Final

from charter_persist.errors import InvalidInputError
from charter_persist.model.resolution import ResolutionType, resolution_type
from charter_persist.model.session import Session, SessionState, StanceKind
from charter_persist.model.shape import content_with_text, exact_fields, names


class AuthorityRule(StrEnum):
    """When a candidate may be accepted; an actor is present who recorded any stance in the session.

    Attributes:
        SOLE_ACTOR: the one actor of the authority accepts.
        UNANIMOUS_PRESENT: every present actor accepts; a REJECT or ABSTAIN blocks.
        MAJORITY_PRESENT: more than half of the present actors accept.
    """

    SOLE_ACTOR = "SOLE_ACTOR"
    UNANIMOUS_PRESENT = "UNANIMOUS_PRESENT"
    MAJORITY_PRESENT = "MAJORITY_PRESENT"


_RULES: Final = dict(AuthorityRule.__members__)


class Verdict(StrEnum):
    """What the stances say of a candidate as they stand.

    Attributes:
        ACCEPTABLE: it may be accepted now.
        BLOCKED: it may not, whatever those say who have said nothing of it; a stance would have to change.
        INCOMPLETE: it may not yet; further stances could make it acceptable.
    """

    ACCEPTABLE = "ACCEPTABLE"
    BLOCKED = "BLOCKED"
    INCOMPLETE = "INCOMPLETE"


@dataclass(frozen=True, slots=True)
class Authority:
    """The content of an AUTHORITY resolution.

    Attributes:
        text: what it says, for people.
        rule: when a candidate may be accepted.
        actors: who may take part, sorted.
    """

    text: str
    rule: AuthorityRule
    actors: tuple[str, ...]

    @classmethod
    def from_content(cls, content: object) -> Authority:
        """Read the content of an AUTHORITY resolution; other fields than these may stand beside them.

        Raises:
            InvalidInputError: it names no rule, no actor, or not exactly one actor for SOLE_ACTOR.
        """
        data = content_with_text(content, field="the content of an authority")
        authority = cls(data["text"], authority_rule(data.get("rule")), names(data.get("actors"), field="actors"))
        if not authority.actors:
            raise InvalidInputError("an authority names the actors who decide; it has none")
        if authority.rule is AuthorityRule.SOLE_ACTOR and len(authority.actors) != 1:
            raise InvalidInputError("an authority with the rule SOLE_ACTOR names exactly one actor")
        return authority


@dataclass(frozen=True, slots=True)
class Constraints:
    """What a session is held to: captured at its creation, never changed.

    Attributes:
        resolution_type: what its candidates would become.
        authority_rule: of the authority in force, or UNANIMOUS_PRESENT where the area has none yet.
        participants: who may record a stance, sorted.
        required_participants: who must have said something of a candidate before it may be accepted, sorted.
    """

    FIELDS: ClassVar[frozenset[str]] = frozenset(
        {"approval_constraints", "authority_rule", "participants", "required_participants", "resolution_type"}
    )

    resolution_type: ResolutionType
    authority_rule: AuthorityRule
    participants: tuple[str, ...]
    required_participants: tuple[str, ...] = ()

    def to_content(self) -> dict[str, Any]:
        """As it stands in a session."""
        return {
            "approval_constraints": [],
            "authority_rule": str(self.authority_rule),
            "participants": list(self.participants),
            "required_participants": list(self.required_participants),
            "resolution_type": str(self.resolution_type),
        }

    @classmethod
    def from_content(cls, content: object) -> Constraints:
        """Read it back.

        Raises:
            InvalidInputError: it is not what `to_content` gives.
        """
        data = exact_fields(content, cls.FIELDS, form="the constraints of a session")
        if data["approval_constraints"] != []:
            raise InvalidInputError("no approval constraint is known; the list must be empty")
        rule = authority_rule(data["authority_rule"])
        participants = names(data["participants"], field="participants")
        if rule is AuthorityRule.SOLE_ACTOR and len(participants) != 1:
            raise InvalidInputError("a session under the rule SOLE_ACTOR has exactly one participant")
        return cls(
            resolution_type=resolution_type(data["resolution_type"]),
            authority_rule=rule,
            participants=participants,
            required_participants=names(data["required_participants"], field="required_participants"),
        )


@dataclass(frozen=True, slots=True)
class CandidateEvaluation:
    """What the stances say of one candidate, and why.

    Attributes:
        verdict: as they stand.
        reasons: sentences, never empty.
    """

    verdict: Verdict
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the stances say of each candidate of a session.

    Attributes:
        session_id: of the session.
        candidates: by candidate id, in the order they were added.
    """

    session_id: str
    candidates: Mapping[str, CandidateEvaluation]

    @property
    def acceptable(self) -> tuple[str, ...]:
        """Ids of the candidates that may be accepted now."""
        return tuple(name for name, of in self.candidates.items() if of.verdict is Verdict.ACCEPTABLE)

    @property
    def verdict(self) -> Verdict:
        """ACCEPTABLE where any candidate is; BLOCKED where every one is; else INCOMPLETE."""
        verdicts = {of.verdict for of in self.candidates.values()}
        if Verdict.ACCEPTABLE in verdicts:
            return Verdict.ACCEPTABLE
        return Verdict.BLOCKED if verdicts == {Verdict.BLOCKED} else Verdict.INCOMPLETE


def authority_rule(value: object) -> AuthorityRule:
    """Read a rule.

    Raises:
        InvalidInputError: there is no such rule.
    """
    if type(value) not in (str, AuthorityRule) or value not in _RULES:
        raise InvalidInputError(f"an authority decides by {', '.join(AuthorityRule)}, not {str(value)[:80]!r}")
    return _RULES[str(value)]


def evaluate(session: Session, constraints: Constraints) -> Evaluation:
    """Say of each candidate whether it may be accepted, by rule, required participants and stances alone.

    Args:
        session: with its stances; while it is not ACTIVE, nothing in it can be accepted.
        constraints: that it captured.

    Returns:
        The evaluation, the same for the same arguments.

    Spec: GOV-5
    """
    evaluated = {name: _in_state(session, of) for name, of in weigh(session, constraints).items()}
    return Evaluation(session.session_id, evaluated)


def weigh(session: Session, constraints: Constraints) -> dict[str, CandidateEvaluation]:
    """Say of each candidate what its stances make of it, whatever state the session is in.

    Args:
        session: with its stances.
        constraints: that it captured.

    Returns:
        By candidate id, in the order they were added; what `evaluate` says while the session is ACTIVE.
    """
    present = {actor for actor, _ in session.stances}
    weighed = {}
    for candidate_id in session.candidates:
        said = {actor: stance.type for (actor, of), stance in session.stances.items() if of == candidate_id}
        weighed[candidate_id] = _evaluate_candidate(constraints, present, said)
    return weighed


def _in_state(session: Session, evaluated: CandidateEvaluation) -> CandidateEvaluation:
    """A session that is not ACTIVE accepts nothing; one that may become so again may yet."""
    if session.state is SessionState.ACTIVE:
        return evaluated
    waits = session.state in (SessionState.CREATED, SessionState.PAUSED) and evaluated.verdict is not Verdict.BLOCKED
    verdict = Verdict.INCOMPLETE if waits else Verdict.BLOCKED
    return CandidateEvaluation(verdict, (f"the session is {session.state}", *evaluated.reasons))


def _evaluate_candidate(
    constraints: Constraints, present: set[str], said: Mapping[str, StanceKind]
) -> CandidateEvaluation:
    verdict, reason = _BY_RULE[constraints.authority_rule](constraints, present, said)
    absent = sorted(set(constraints.required_participants) - said.keys())
    if absent and verdict is not Verdict.BLOCKED:
        missing = f"required participants have said nothing of it: {', '.join(absent)}"
        return CandidateEvaluation(Verdict.INCOMPLETE, (missing, reason))
    return CandidateEvaluation(verdict, (reason,))


def _sole_actor(constraints: Constraints, _present: set[str], said: Mapping[str, StanceKind]) -> tuple[Verdict, str]:
    (actor,) = constraints.participants
    stance = said.get(actor)
    if stance is None:
        return Verdict.INCOMPLETE, f"{actor}, who decides alone, has said nothing of it"
    if stance is StanceKind.ACCEPT:
        return Verdict.ACCEPTABLE, f"{actor} decides alone and accepts"
    return Verdict.BLOCKED, f"{actor} decides alone and says {stance}"


def _unanimous_present(
    _constraints: Constraints, present: set[str], said: Mapping[str, StanceKind]
) -> tuple[Verdict, str]:
    against = sorted(actor for actor, stance in said.items() if stance is not StanceKind.ACCEPT)
    if against:
        return Verdict.BLOCKED, f"not unanimous: {', '.join(f'{actor} says {said[actor]}' for actor in against)}"
    silent = sorted(present - said.keys())
    if silent or not said:
        who = ", ".join(silent) or "nobody is present"
        return Verdict.INCOMPLETE, f"silence is not consent: {who}"
    return Verdict.ACCEPTABLE, f"all {len(said)} present accept"


def _majority_present(
    constraints: Constraints, present: set[str], said: Mapping[str, StanceKind]
) -> tuple[Verdict, str]:
    accepts = sum(stance is StanceKind.ACCEPT for stance in said.values())
    needed = len(present) // 2 + 1
    tally = f"{accepts} of {len(present)} present accept, {needed} needed"
    if present and accepts >= needed:
        return Verdict.ACCEPTABLE, tally
    undecided = set(constraints.participants) - said.keys()
    if accepts + len(undecided) >= len(present | undecided) // 2 + 1:
        return Verdict.INCOMPLETE, tally
    return Verdict.BLOCKED, tally


_BY_RULE = {
    AuthorityRule.SOLE_ACTOR: _sole_actor,
    AuthorityRule.UNANIMOUS_PRESENT: _unanimous_present,
    AuthorityRule.MAJORITY_PRESENT: _majority_present,
}
