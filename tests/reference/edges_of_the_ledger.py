"""At which sentences of section 8 of docs/what-counts.md people with orders stand, by name, for scenes to reach: each
edge is one where the sentence decides, so that without it the ledger would be another."""

from collections import Counter
from collections.abc import Iterator, Sequence

from knowledge_base.events.claims import Claim, ClaimLine
from knowledge_base.events.prescriptions import Prescription
from knowledge_base.events.replies import Reply

from .answering import Found
from .dates import told_day
from .encounters import encounters, number_of
from .ledger_scenes import Asked
from .lines import is_own
from .order_ledger import Entry, Ledger, asking_about, is_asked_about, is_judged_in_time, ledgers, said_of
from .orders import Held, OrderKey, holding, is_of, looked_at, naming
from .persons import person_names, rank
from .settlements import settlements


def edges_of_the_ledger(of: Asked) -> Iterator[str]:
    """The names of the edges at which the persons of some events stand, each as often as it is met."""
    replies = [event for event in of.events if isinstance(event, Reply)]
    others = [event for event in of.events if not isinstance(event, Reply)]
    names = person_names(others)
    for name, ledger in ledgers(of.events, of.asking, of.late).items():
        events = [event for event in others if names[event.patient] == name]
        requests = [event for event in events if isinstance(event, Prescription)]
        if not requests:
            continue
        claims = [event for event in events if isinstance(event, Claim)]
        for key, entry in ledger.orders.items():
            yield from _of_an_order(key, entry, requests, of.late)
            yield from _of_replies(key, entry, requests, replies)
        yield from _of_lines(ledger, requests, claims)
        yield from _of_shares(ledger, claims, of)
        yield from _of_names(name, ledger, requests, claims)


def _of_an_order(key: OrderKey, entry: Entry, requests: Sequence[Prescription], late: Found) -> Iterator[str]:
    asking = asking_about(key, requests)
    naming_it = [of for of in requests if key in [(*_number(of), one.order_id, one.item_code) for one in of.orders]]
    states = {"in time" if is_judged_in_time(of) else "late" if of.event_id in late else "not judged" for of in asking}
    yield f"answered {entry.answered}"
    if len(states) > 1:
        yield f"asked several times, {' and '.join(sorted(states))}"
    if len(asking) > 1:
        yield "several requests ask about it"
    if asking and entry.holds not in entry.asked_by:
        yield "the request that holds only tells it"
    if asking and len(asking) < len(naming_it):
        yield "some requests only tell it"
    for of in naming_it:
        flags = [one.current for one in of.orders if (one.order_id, one.item_code) == key[2:]]
        if flags[0] != flags[-1]:
            yield f"asked about and told in one list, {'asked about' if flags[-1] else 'told'} in its last place"
    said = list(said_of(key, requests))
    if any(of not in asking for of, _, _ in said):
        yield "warned of by another encounter in the message"
    if any(warning.repeats for _, warning, _ in said):
        yield "a warning that repeats another"
    if len({counted for _, _, counted in said}) < len(said):
        yield "a warning and what repeats it"
    if len({of.event_id for of, _, _ in said if of in asking}) > 1:
        yield "warned of by several requests"
    for of in requests:
        for warning in () if of.advice is None else of.advice.warnings:
            mine = [one for one in warning.orders if (one.order_id, one.item_code) == key[2:]]
            if of in asking and mine and not any(one.guilty for one in mine):
                yield "a warning that it explains"
            if of in asking and any(one.order_id == key[2] and one.item_code != key[3] for one in warning.orders):
                yield "a warning of its number and another item"
            if mine and not any(of is other for other, _, _ in said) and any(one.guilty for one in mine):
                yield "a warning of it in a message that does not ask about it"
    if not asking and any(_said_of_it(key, of) for of in naming_it):
        yield "told only, and in question"
    if entry.found_late:
        yield "found late" + (", and warned of in time" if entry.warned else "")
    found_here = {warning.warning_id for of in asking for warning in late.get(of.event_id, ())}
    found_here |= {warning.repeats or "" for of in asking for warning in late.get(of.event_id, ())}
    if entry.found_late - found_here:
        yield "found late in another encounter of the message"
    if entry.answered == "late" and not entry.found_late:
        yield "judged late, and nothing found"
    if entry.warned and entry.billed:
        yield "warned of, and billed"


def _number(of: Prescription) -> tuple[str, str]:
    return of.institution, of.encounter_id


def _said_of_it(key: OrderKey, of: Prescription) -> bool:
    warnings = () if of.advice is None else of.advice.warnings
    return any((one.order_id, one.item_code) == key[2:] and one.guilty for said in warnings for one in said.orders)


def _of_replies(
    key: OrderKey, entry: Entry, requests: Sequence[Prescription], replies: Sequence[Reply]
) -> Iterator[str]:
    for warning_id in entry.warned:
        to_it = [reply for reply in replies if reply.warning_id == warning_id]
        own = [reply for reply in to_it if reply.institution == key[0]]
        if not own:
            yield "a warning to which only another institution replied" if to_it else "a warning without a reply"
            continue
        last = max(own, key=lambda reply: (reply.happened_at, reply.event_id))
        yield f"a reply that counts: {last.way}"
        if own[-1].way != last.way:
            yield "the reply that arrived last is not the one that counts"
        if any(reply.way != last.way and reply.happened_at == last.happened_at for reply in own):
            yield "two replies of one instant"
        if max(to_it, key=lambda reply: (reply.happened_at, reply.event_id)).way != last.way:
            yield "the later reply is of another institution"


def _of_lines(ledger: Ledger, requests: Sequence[Prescription], claims: list[Claim]) -> Iterator[str]:
    settled = settlements(claims)
    lines, held = looked_at(settled), holding(requests)
    of_key = {order.key: order for order in held}
    for claim, line in lines:
        name = (*number_of(claim), line.line_id)
        if name not in ledger.lines:
            yield from _of_a_line_never_asked_about(claim, line, held)
            continue
        key, how = ledger.lines[name]
        order = of_key[key]
        others = _others(claim, line, how, order, [one for one in held if one.takes_part])
        yield f"a line ordered: {how}"
        if not is_asked_about(ledger.orders[key]):
            yield "a line ordered as what was told only"
        if any(other.turn < order.turn for other in others):
            yield f"shown with a later one, which was asked about: {how}"
        if any(other.turn > order.turn and is_asked_about(ledger.orders[other.key]) for other in others):
            yield f"shown with the first of several that were asked about: {how}"
        billed = ledger.orders[key].billed
        if billed is not None and billed[0] != name:
            yield f"a further line of an order: {how}"
            if billed[1] != how:
                yield f"a further line of an order, {how}, which another bills: {billed[1]}"
        if claim not in settled.standing:
            yield "a line ordered, of a claim that does not stand"
        if how == "order" and any(naming(other, claim, line) == "prescription" for other in held):
            yield "a line that names one order by its number, and others by their prescription"
    own = Counter(
        (*number_of(claim), line.line_id) for claim in settled.held.values() for line in claim.lines if is_own(line)
    )
    yield from ("a line said again" for name, times in own.items() if times > 1 and name in ledger.lines)
    back = [(claim, line) for claim in settled.held.values() for line in claim.lines if not is_own(line)]
    for claim, line in back:
        if any(naming(order, claim, line) for order in held):
            yield "a line that takes back names an order"
    for key, entry in ledger.orders.items():
        if entry.billed is not None and ledger.lines[entry.billed[0]][0] != key:
            yield "an order whose line is shown with another"
        if not of_key[key].takes_part:
            yield "an order that takes part in nothing"


def _others(claim: Claim, line: ClaimLine, how: str, shown: Held, held: Sequence[Held]) -> list[Held]:
    """The orders with which the line might be shown instead: those that it names in the same way, or those that run."""
    if how != "item and day":
        return [order for order in held if naming(order, claim, line) == how]
    fitting = [order for order in held if is_of(order, claim, line) and order.last_day != order.day]
    return [] if shown.last_day == shown.day else fitting


def _of_a_line_never_asked_about(claim: Claim, line: ClaimLine, held: Sequence[Held]) -> Iterator[str]:
    yield "a line never asked about"
    if told_day(line.at) is None:
        yield "a line of no told day"
        if any(line.order_id == order.order.order_id and order.last_day is None for order in held):
            yield "a line of no told day that tells the number of a standing order"
    if any(is_of(order, claim, line) and order.takes_part for order in held):
        yield "a line of an order's item and day whose place is taken"
    if any(line.order_id == order.order.order_id and not order.takes_part for order in held):
        yield "a line that tells the number of an order that takes part in nothing"


def _of_shares(ledger: Ledger, claims: list[Claim], of: Asked) -> Iterator[str]:
    settled = settlements(claims)
    for share in ledger.shares.values():
        parts = "all" if share.asked_about == share.lines else "some" if share.asked_about else "none"
        yield f"of the lines of a day {parts} were asked about"
    for claim in settled.standing:
        first = of.asking.get(claim.institution)
        for line in claim.lines:
            day, name = told_day(line.at), (*number_of(claim), line.line_id)
            if not is_own(line) or day is None:
                yield f"in no share: {'no told day' if day is None else 'takes back'}"
            elif first is None:
                yield "in no share: an institution that never asked"
            elif day <= first:
                yield "a line on the first day of asking" if day == first else "in no share: before the first day"
            elif line.in_fund_scope is None or float(line.in_fund_scope) <= 0:
                yield f"in no share: {'scope unknown' if line.in_fund_scope is None else 'nothing in scope'}"
            elif name in ledger.lines and not is_asked_about(ledger.orders[ledger.lines[name][0]]):
                yield "in a share, and told only"
            elif claim.paid is None or float(claim.paid.pooled_fund) <= 0:
                yield "in a share, and not paid by the fund"
    standing = Counter((*number_of(claim), line.line_id) for claim in settled.standing for line in claim.lines)
    for number in {number_of(claim) for claim in settled.standing}:
        laid = encounters(claims, settled)
        if len({laid.of[claim.event_id] for claim in settled.standing if number_of(claim) == number}) > 1:
            again = [name for name, times in standing.items() if name[:2] == number and times > 1]
            yield from ["a name in two encounters of one number"] * len(again)
    yield from ("a name in two standing claims" for times in standing.values() if times > 1)
    first_said = {(*number_of(claim), line.line_id): claim for claim, line in looked_at(settled)}
    for name in standing:
        if name in ledger.lines and first_said[name] not in settled.standing:
            yield "a line in a share whose name a claim had first that does not stand"
    for name, times in standing.items():
        both = [
            claim for claim in settled.standing for line in claim.lines if (*number_of(claim), line.line_id) == name
        ]
        if times > 1 and name in first_said and max(both, key=rank) is not first_said[name]:
            yield "a name in two standing claims, of which the later in rank is the later in line order"


def _of_names(name: str, ledger: Ledger, requests: Sequence[Prescription], claims: Sequence[Claim]) -> Iterator[str]:
    asked = {of.event_id: of.patient for of in requests}
    billed = {(*number_of(claim), line.line_id): claim.patient for claim in claims for line in claim.lines}
    for entry in ledger.orders.values():
        if len({asked[of] for of in entry.asked_by}) > 1:
            yield "asked about under two names"
    for line, (key, _) in ledger.lines.items():
        if billed[line] != asked[ledger.orders[key].holds]:
            yield "ordered under one name and billed under another"
    if any(of.patient != name for of in requests):
        yield "asked about under a name that is not the person's"
