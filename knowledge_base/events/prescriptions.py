"""Prescriptions: orders that are not billed yet, as a hospital asks about them before or during (3101, 3102)."""

from collections.abc import Iterable
from datetime import date
from typing import Literal

from msgspec import Struct

from knowledge_base.events.claims import Department, Diagnosis, Operation
from knowledge_base.events.head import Code, Id, Instant, Money, Quantity, Reference, Text


class Order(Struct, frozen=True, gc=False):
    """One order of a request (fsi_order_dtos of 3101 / 3102)."""

    order_id: Id  # rx_id
    quantity: Quantity  # cnt, of all days over which it runs
    amount: Money  # sumamt
    at: Instant  # drord_begn_date
    item_code: Reference | None = None  # hilist_code
    item_name: Text | None = None  # hilist_name
    item_kind: Code | None = None  # drug | service | consumable | herb_piece (hilist_type)
    prescription_id: Reference | None = None  # rxno
    unit_price: Money | None = None  # pric
    own_pay: Money | None = None  # ownpay_amt
    in_catalogue: bool = True  # hilist_lv: 01 or 02, and not 03
    current: bool = True  # curr_drord_flag: asked about, and not only told
    standing: bool = False  # long_drord_flag: goes on until it is stopped
    stops_at: Instant | None = None  # drord_stop_date
    discharge_drug: bool = False  # drord_bhvr 1
    department: Department | None = None  # drord_dept_codg, drord_dept_name
    practitioner: Reference | None = None  # drord_dr_codg


class WarnedOrder(Struct, frozen=True, gc=False):
    """An order of the request that a warning is about: one in question, or one that explains it."""

    order_id: Id  # rx_id
    item_code: Reference | None = None
    in_question: Money = "0"  # vola_amt
    guilty: bool = True  # vola_item_type: 1, else 2


def guilty_of(orders: Iterable[WarnedOrder]) -> frozenset[tuple[str, str | None]]:
    """The orders in question in a warning, by rx_id and item code."""
    return frozenset((of.order_id, of.item_code) for of in orders if of.guilty)


class Warning(Struct, frozen=True, gc=False):
    """What one rule said of some orders of a request (result[] of 3101 / 3102); a warning is no finding.

    ``occurrence`` is what a finding of the rule would be called, and so the link to one that comes later. ``repeats``
    names the warning that said the same in this encounter before: nobody is told twice. ``basis`` is on what it rests,
    empty in what was answered before that was kept.
    """

    warning_id: Id  # jr_id
    rule_id: Id  # rule_id
    severity: int  # sev_deg
    occurrence: tuple[Text, ...]
    orders: tuple[WarnedOrder, ...]
    value: Quantity
    limit: Quantity
    in_question: Money  # vola_amt
    said: Text = ""  # vola_cont
    repeats: Id | None = None
    basis: tuple[Text, ...] = ()  # vola_evid


class Hint(Struct, frozen=True, gc=False):
    """What is left of a rule's limit with an order of the request, in a sentence; nothing is wrong with the order."""

    rule_id: Id
    order_id: Id  # rx_id
    item_code: Reference | None = None
    said: Text = ""


class NotAsked(Struct, frozen=True, gc=False):
    """A rule that said nothing, and why."""

    rule_id: Id
    reason: Text


class Advice(Struct, frozen=True, gc=False):
    """What a hospital was answered: by which set, over all events up to which arrival number, and what was warned of.

    ``code`` is the receipt by which people find it again; equal bodies have one ``fingerprint``. Without ``rule_set``
    nothing was judged before the answer.
    """

    code: Id
    at: Instant
    fingerprint: Code = ""
    rule_set: Text | None = None
    as_of: int = 0
    warnings: tuple[Warning, ...] = ()
    not_asked: tuple[NotAsked, ...] = ()
    hints: tuple[Hint, ...] = ()


class Prescription(Struct, frozen=True, gc=False):
    """What one request says of one encounter, with its orders (3101 before, 3102 during)."""

    event_id: Id  # the sender, its msgid and the place of the encounter in the message
    area: Code  # insuplc_admdvs, else poolarea
    kind: Literal["prescription"]
    happened_at: Instant  # when the gateway was asked
    sender: Id
    phase: Literal["before", "during"]  # infno 3101 | 3102
    encounter_id: Id  # mdtrt_id
    patient: Id  # patn_id, as a keyed pseudonym made at the door
    institution: Id  # fixmedins_code
    visit_type: Code  # med_type
    orders: tuple[Order, ...]
    received_at: Instant | None = None
    schema_version: Literal[1] = 1
    reimbursed: bool = True  # reim_flag
    sex: Code | None = None  # gend
    birth_date: date | None = None  # brdy
    insurance_type: Code | None = None  # insutype
    institution_level: Code | None = None  # medins_lv
    department: Department | None = None  # adm_dept_codg, adm_dept_name
    practitioner: Reference | None = None  # dr_codg
    admitted_at: Instant | None = None  # adm_date
    discharged_at: Instant | None = None  # dscg_date, as it is told
    diagnoses: tuple[Diagnosis, ...] | None = None
    operations: tuple[Operation, ...] | None = None
    advice: Advice | None = None
