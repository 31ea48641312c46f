"""Claims: settlements with their lines, reversals, corrections."""

from datetime import date
from typing import Literal

from msgspec import Struct

from knowledge_base.events.head import Code, Id, Instant, Money, Quantity, Reference, SupplyDays, Text


class Department(Struct, frozen=True, gc=False):
    """Where in the institution: code and name (adm_dept_codg, adm_dept_name; bilg_dept_codg, bilg_dept_name)."""

    code: Code | None = None
    name: Text | None = None


class Diagnosis(Struct, frozen=True, gc=False):
    """One diagnosis in ICD-10 医保版 (diag_code, diag_name, maindiag_flag, diag_time)."""

    code: Code
    name: Text | None = None
    main: bool = False
    at: Instant | None = None


class Operation(Struct, frozen=True, gc=False):
    """One operation in ICD-9-CM-3 医保版 (oprn_oprt_code, _name, main_oprn_flag, oprn_oprt_date, oper_dr_code)."""

    code: Code
    name: Text | None = None
    main: bool = False
    at: Instant | None = None
    incision: Code | None = None
    practitioner: Reference | None = None


class Paid(Struct, frozen=True, gc=False):
    """Who paid, in yuan, each apart from the others. Pooled fund, serious illness and aid are the fund."""

    pooled_fund: Money  # hifp_pay
    serious_illness: Money = "0"  # hifmi_pay + hifob_pay
    aid: Money = "0"  # maf_pay
    personal_account: Money = "0"  # acct_pay
    shared_family_account: Money = "0"  # acct_mulaid_pay
    own: Money = "0"  # psn_cash_pay


class ClaimLine(Struct, frozen=True, gc=False):
    """One billed item of a settlement (feedetail of 2204 / 2301)."""

    line_id: Id  # feedetl_sn
    quantity: Quantity  # cnt
    amount: Money  # det_item_fee_sumamt
    at: Instant  # fee_ocur_time
    item_code: Reference | None = None  # med_list_codg
    item_name: Text | None = None  # medins_list_name
    item_kind: Code | None = None  # drug | service | consumable | herb_piece (list_type)
    unit_price: Money | None = None  # pric
    in_fund_scope: Money | None = None  # inscp_scp_amt
    own_pay: Money | None = None  # fulamt_ownpay_amt
    approved: bool | None = None  # hosp_appr_flag
    sent_out: bool = False  # etip_flag: examined at another institution
    sent_to: Reference | None = None  # etip_hosp_code
    discharge_drug: bool = False  # dscg_tkdrug_flag
    days: SupplyDays | None = None  # prd_days: days that a supply covers
    department: Department | None = None  # bilg_dept_codg, bilg_dept_name
    practitioner: Reference | None = None  # bilg_dr_codg
    order_id: Reference | None = None  # rxno / drord_no
    trace_codes: tuple[Reference, ...] = ()  # drug_trac_codg
    refund_of: Id | None = None  # init_feedetl_sn: the line of this encounter that it takes back


class Claim(Struct, frozen=True, gc=False):
    """A settlement with its lines (2207 / 2304, lines of 2204 / 2301), its reversal or its correction.

    ``reverses`` and ``corrects`` name an earlier ``claim_id``; a claim has at most one of the two.
    """

    event_id: Id  # the sender and the sender's own id
    area: Code  # insuplc_admdvs: pooling area that insures the patient
    kind: Literal["claim"]
    happened_at: Instant
    sender: Id
    claim_id: Id  # setl_id
    encounter_id: Id  # mdtrt_id
    patient: Id  # psn_no, as a keyed pseudonym made at the door
    institution: Id  # fixmedins_code
    visit_type: Code  # med_type
    settled_at: Instant  # setl_time
    lines: tuple[ClaimLine, ...]
    received_at: Instant | None = None
    schema_version: Literal[1] = 1
    sex: Code | None = None  # gend: 1 man, 2 woman, 0 and 9 unknown
    birth_date: date | None = None  # brdy
    insurance_type: Code | None = None  # insutype
    payment_method: Code | None = None  # clr_type: item | drg | dip | bed_day | capitation | total_budget
    institution_level: Code | None = None  # hosp_lv
    institution_kind: Code | None = None  # hospital | clinic | pharmacy | village
    treated_in: Code | None = None  # mdtrtarea_admvs
    department: Department | None = None
    practitioner: Reference | None = None  # atddr_no
    admitted_at: Instant | None = None  # begntime
    discharged_at: Instant | None = None  # endtime
    mid_stay: bool = False  # mid_setl_flag
    admission_way: Code | None = None  # adm_way
    discharge_way: Code | None = None  # dscg_way
    diagnoses: tuple[Diagnosis, ...] | None = None
    operations: tuple[Operation, ...] | None = None
    paid: Paid | None = None
    reverses: Id | None = None  # the claim_id that this settlement undoes (2208 / 2305)
    corrects: Id | None = None  # the claim_id that this settlement replaces
