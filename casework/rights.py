"""Rights (权限): what somebody at the desk may do. Roles give them; an account has one role or several."""

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Right(StrEnum):
    """One thing that a route lets people do. Every route names the right that it asks for, or is public."""

    ENTER = "enter"
    """Be at the desk: ask who is signed in, see to the own account, sign out."""

    SEE = "see"
    """Read leads, findings and decisions, as far as the account's areas and institutions go."""

    SEE_TRIALS = "see_trials"
    """See what rules find that are tried out, which is shown to nobody outside and in no lead."""

    DECIDE = "decide"
    """Decide on leads, and take decisions back."""

    SEE_COMMENTS = "see_comments"
    """Read what people at the fund write to each other about leads."""

    ANSWER = "answer"
    """Read in what an institution answers to the list of a lead: its own office does, or whoever got the list back."""

    SEE_OPERATION = "see_operation"
    """See how the system is doing: what was received and refused, what waits."""

    MUTE_SENDERS = "mute_senders"
    """Say that the silence of an institution is known of, until a day, for a reason that is noted; take that back."""

    OPEN_LETTERS = "open_letters"
    """Look at the bytes of dead letters, which may hold personal data, for a purpose that is noted."""

    OPEN_REASONS = "open_reasons"
    """Read what doctors gave as their reasons for going on against a warning, which may name somebody, for a purpose
    that is noted: a hospital's office those of its own institutions, and who inspects."""

    REPLAY = "replay"
    """Send dead letters again."""

    ASK = "ask"
    """Ask the gateway about orders, as the system of a hospital: a token's alone, in no role."""

    SEE_PEOPLE = "see_people"
    """See who has an account, with which roles, and where each may look."""

    MANAGE_PEOPLE = "manage_people"
    """Give, change and close accounts, as far as the own one goes."""

    SEE_AUDIT = "see_audit"
    """See who did what, and who looked at which lead, as far as the account's areas and institutions go."""


class Role(StrEnum):
    """What somebody is at the fund, at a hospital, or to the system."""

    INSPECTOR = "inspector"  # 稽查员
    REVIEWER = "reviewer"  # 复核员
    HEAD = "head"  # 负责人
    HANDLING_AGENCY = "handling_agency"  # 经办机构
    ADMINISTRATION = "administration"  # 行政部门
    AUDITOR = "auditor"  # 审计
    HOSPITAL_OFFICE = "hospital_office"  # 医院医保办
    OPERATOR = "operator"  # 运维


_READS = frozenset({Right.ENTER, Right.SEE})
_AT_THE_FUND = _READS | {Right.SEE_COMMENTS}
_DECIDES = _AT_THE_FUND | {Right.SEE_OPERATION, Right.MUTE_SENDERS, Right.DECIDE, Right.ANSWER}
_INSPECTS = _DECIDES | {Right.SEE_TRIALS, Right.OPEN_REASONS}

RIGHTS_OF: Mapping[Role, frozenset[Right]] = {
    Role.INSPECTOR: _INSPECTS,
    Role.REVIEWER: _INSPECTS,
    Role.HEAD: _INSPECTS | {Right.SEE_PEOPLE, Right.MANAGE_PEOPLE, Right.SEE_AUDIT},
    Role.HANDLING_AGENCY: _DECIDES,
    Role.ADMINISTRATION: _DECIDES,
    Role.AUDITOR: _AT_THE_FUND | {Right.SEE_TRIALS, Right.SEE_OPERATION, Right.SEE_PEOPLE, Right.SEE_AUDIT},
    Role.HOSPITAL_OFFICE: _READS | {Right.ANSWER, Right.OPEN_REASONS},
    Role.OPERATOR: frozenset(
        {
            Right.ENTER,
            Right.SEE_OPERATION,
            Right.MUTE_SENDERS,
            Right.OPEN_LETTERS,
            Right.REPLAY,
            Right.SEE_PEOPLE,
            Right.MANAGE_PEOPLE,
        }
    ),
}

ALL_RIGHTS = tuple(role for role in Role if role is not Role.HOSPITAL_OFFICE)
"""The roles that together may do everything: those of the first account, and of the one log-in of a store of before."""


def rights_of(roles: Iterable[Role]) -> frozenset[Right]:
    """What somebody with some roles may do."""
    return frozenset[Right]().union(*(RIGHTS_OF[role] for role in roles))
