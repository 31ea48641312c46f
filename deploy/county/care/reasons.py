"""Why people come: complaints seen in consulting rooms and shops, illnesses treated on wards.

Diagnosis codes are of ICD-10 医保版, operation codes of ICD-9-CM-3 医保版.
"""

from dataclasses import dataclass

from deploy.county.care import prices as p
from deploy.county.care.prices import Item

WALK_IN, EMERGENCY, CHRONIC, SHOP = "11", "13", "14", "41"
WARD, WARD_AFTER_EMERGENCY, MATERNITY = "21", "24", "52"
_STAYS = frozenset({WARD, WARD_AFTER_EMERGENCY, MATERNITY})


@dataclass(frozen=True, slots=True)
class Surgery:
    """An operation as a ward bills it: ICD-9 code and name, items, things used up."""

    code: str
    name: str
    items: tuple[Item, ...]
    used: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Reason:
    """What is wrong and what is usually done about it.

    ``tests`` are done with the likelihood ``tested``; of ``drugs`` some ``drug_kinds`` are given for ``supply`` days;
    on wards ``infusions`` run daily for ``infusion_days``; ``pooled`` says whether the fund pays beside the personal
    account; ``severe`` patients are monitored.
    """

    name: str
    visit_type: str
    department: str
    diagnosis: tuple[str, str] | None
    tests: tuple[Item, ...] = ()
    tested: float = 1.0
    drugs: tuple[Item, ...] = ()
    drug_kinds: int = 2
    supply: int = 5
    treatments: tuple[Item, ...] = ()
    infusions: tuple[Item, ...] = ()
    infusion_days: int = 3
    surgery: Surgery | None = None
    pooled: bool = True
    severe: bool = False
    nights: tuple[int, int] = (0, 0)

    @property
    def is_stay(self) -> bool:
        return self.visit_type in _STAYS


_BLOOD = (p.BLOOD_COUNT, p.CRP, *p.LIVER, *p.KIDNEY)
_ADMISSION = (
    p.BLOOD_COUNT, p.CRP, p.URINE, p.STOOL, *p.LIVER, *p.KIDNEY, *p.LIPIDS, *p.ELECTROLYTES, *p.CLOTTING, p.GLUCOSE,
    p.ECG,
)  # fmt: skip
_SURGICAL = (*_ADMISSION, *p.INFECTIONS, p.XRAY)

COLD = Reason(
    "cold", WALK_IN, "全科医疗科", ("J06.900", "急性上呼吸道感染"), _BLOOD, 0.6,
    (p.DIGESTION, p.SHUANGHUANGLIAN, p.HEAT_CLEARING_INJECTION), treatments=(p.INFUSION, p.INFUSION_SET, p.CANNULA),
)  # fmt: skip
CHILD_COLD = Reason(
    "child_cold", WALK_IN, "儿科", ("J20.900", "急性支气管炎"), (*_BLOOD, p.XRAY), 0.6,
    (p.CHILD_COLD, p.CHILD_COUGH, p.CHILD_ASTHMA), treatments=(p.INTRAMUSCULAR,),
)  # fmt: skip
STOMACH = Reason(
    "stomach", WALK_IN, "消化内科", ("K29.500", "慢性胃炎"), (p.BLOOD_COUNT, *p.LIVER, p.STOOL, p.ULTRASOUND), 0.6,
    (p.STOMACH, p.DIGESTION, p.ACID_BLOCKER), supply=14,
)  # fmt: skip
BACK_PAIN = Reason(
    "back_pain", WALK_IN, "中医科", ("M54.500", "下背痛"), (p.XRAY,), 0.3, (p.PAINKILLER_INJECTION,), 1, 3,
    (p.ACUPUNCTURE, p.MOXIBUSTION, p.INTRAMUSCULAR),
)  # fmt: skip
HERBAL = Reason(
    "herbal", WALK_IN, "中医科", ("K29.700", "胃炎"), drugs=p.HERBS, drug_kinds=11, supply=7,
)  # fmt: skip
BLADDER = Reason(
    "bladder", WALK_IN, "泌尿外科", ("N39.000", "泌尿道感染"), (p.URINE, p.BLOOD_COUNT, *p.KIDNEY), 0.9,
    (p.ANTIBIOTIC,), 1, 3, (p.INFUSION, p.INFUSION_SET),
)  # fmt: skip
WOMENS = Reason(
    "womens", WALK_IN, "妇科", ("N76.000", "急性阴道炎"), (p.VAGINAL_SMEAR, p.BLOOD_COUNT, p.ULTRASOUND), 0.9,
    (p.WOMENS_TABLETS, p.SUPPOSITORY, p.MOTHERWORT), supply=7, treatments=(p.VAGINAL_WASH, p.MICROWAVE),
)  # fmt: skip
MENS = Reason(
    "mens", WALK_IN, "泌尿外科", ("N40.x00", "前列腺增生"), (p.PROSTATIC_FLUID, p.URINE, p.ULTRASOUND), 0.6,
    (p.PROSTATE,), 1, 28,
)  # fmt: skip
CHECK_UP = Reason(
    "check_up", WALK_IN, "全科医疗科", ("R42.x00x001", "眩晕"),
    (p.BLOOD_COUNT, p.URINE, *p.LIVER, *p.KIDNEY, *p.LIPIDS, *p.ELECTROLYTES, p.ECG), 0.9, (p.GASTRODIN,), 1, 1,
)  # fmt: skip
SUGAR_CHECK = Reason(
    "sugar_check", WALK_IN, "内分泌科", ("E11.900", "2型糖尿病"),
    (p.TOLERANCE_TEST, *p.LIPIDS, *p.KIDNEY, p.URINE), 1.0, (p.METFORMIN,), 1, 28,
)  # fmt: skip
FIRST_AID = Reason(
    "first_aid", EMERGENCY, "急诊医学科", ("J18.900", "肺炎"), (*_BLOOD, *p.ELECTROLYTES, p.ECG, p.CT), 0.8,
    (p.ANTIBIOTIC,), 1, 1, (p.INFUSION, p.INFUSION_SET, p.CANNULA, p.OXYGEN),
)  # fmt: skip
FEEDING_BEFORE_ADMISSION = Reason(
    "feeding_before_admission", EMERGENCY, "急诊医学科", ("J18.900", "肺炎"), (*_BLOOD, *p.ELECTROLYTES, p.CT), 1.0,
    (p.LIPID_EMULSION,), 1, 1, (p.INFUSION, p.INFUSION_SET, p.CANNULA),
)  # fmt: skip
PRESSURE = Reason(
    "pressure", CHRONIC, "心血管内科", ("I10.x00x002", "高血压"), (*p.KIDNEY, *p.LIPIDS, *p.ELECTROLYTES, p.ECG), 0.35,
    (p.PRESSURE, p.PRESSURE_FOLIC, p.STATIN), 2, 28,
)  # fmt: skip
SUGAR = Reason(
    "sugar", CHRONIC, "内分泌科", ("E11.900", "2型糖尿病"), (p.GLUCOSE, *p.KIDNEY, *p.LIPIDS, *p.LIVER, p.URINE), 0.45,
    (p.METFORMIN, p.GLIATIN, p.STATIN), 2, 28,
)  # fmt: skip
DIALYSIS = Reason(
    "dialysis", CHRONIC, "肾脏内科", ("N18.500", "慢性肾脏病5期"), drugs=(p.ERYTHROPOIETIN, p.ROXADUSTAT), drug_kinds=1,
    supply=3, treatments=(p.DIALYSIS, p.DIALYSER),
)  # fmt: skip
SHOPPING = Reason(
    "shopping", SHOP, "", None,
    drugs=(p.DIGESTION, p.STOMACH, p.MOTHERWORT, p.WOMENS_TABLETS, p.BONE, p.ACID_BLOCKER, p.CHILD_COLD), supply=7,
    pooled=False,
)  # fmt: skip
SHOP_FOR_CHRONIC = Reason(
    "shop_for_chronic", SHOP, "", ("I10.x00x002", "高血压"), drugs=(p.PRESSURE, p.PRESSURE_FOLIC, p.STATIN), supply=28,
)  # fmt: skip
WALK_IN_FEEDING = Reason(
    "walk_in_feeding", WALK_IN, "全科医疗科", ("D64.900", "贫血"), _BLOOD, 0.5,
    (p.LIPID_EMULSION, p.AMINO_ACIDS, p.GINKGO), 2, 1, (p.INFUSION, p.INFUSION_SET),
)  # fmt: skip

PNEUMONIA = Reason(
    "pneumonia", WARD, "呼吸内科", ("J18.900", "肺炎"), (*_ADMISSION, p.CT), drugs=(p.DIGESTION,), drug_kinds=1,
    infusions=(p.ANTIBIOTIC, p.HEAT_CLEARING_INJECTION, p.POTASSIUM), infusion_days=8, severe=True, nights=(6, 11),
)  # fmt: skip
EMERGENCY_PNEUMONIA = Reason(
    "emergency_pneumonia", WARD_AFTER_EMERGENCY, "呼吸内科", ("J18.900", "肺炎"), (*_ADMISSION, p.CT),
    drugs=(p.DIGESTION,), drug_kinds=1, infusions=(p.ANTIBIOTIC, p.LIPID_EMULSION, p.AMINO_ACIDS), infusion_days=6,
    severe=True, nights=(6, 12),
)  # fmt: skip
HEART_FAILURE = Reason(
    "heart_failure", WARD, "心血管内科", ("I50.900", "心力衰竭"), (*_ADMISSION, p.ULTRASOUND, p.XRAY),
    drugs=(p.PRESSURE, p.STATIN, p.ANTICOAGULANT), supply=14, infusions=(p.SHENMAI, p.POTASSIUM, p.SALVIA),
    infusion_days=9, severe=True, nights=(7, 13),
)  # fmt: skip
STROKE = Reason(
    "stroke", WARD, "神经内科", ("I63.900", "脑梗死"), (*_ADMISSION, p.CT, p.MRI, p.ULTRASOUND),
    drugs=(p.STATIN, p.PRESSURE_FOLIC), supply=28, infusions=(p.OZAGREL, p.XUESAITONG, p.POTASSIUM), infusion_days=10,
    severe=True, nights=(8, 13),
)  # fmt: skip
BACK_WARD = Reason(
    "back_ward", WARD, "骨科", ("M51.202", "腰椎间盘突出"), (*_ADMISSION, p.MRI),
    drugs=(p.PAINKILLER_INJECTION,), drug_kinds=1, treatments=(p.ACUPUNCTURE, p.MOXIBUSTION),
    infusions=(p.SALVIA, p.GASTRODIN), infusion_days=7, nights=(6, 10),
)  # fmt: skip
SUGAR_WARD = Reason(
    "sugar_ward", WARD, "内分泌科", ("E11.900", "2型糖尿病"), (*_ADMISSION, p.ULTRASOUND),
    drugs=(p.METFORMIN, p.GLIATIN), supply=28, infusions=(p.SALVIA, p.POTASSIUM), infusion_days=7, nights=(6, 10),
)  # fmt: skip
LUNG = Reason(
    "lung", WARD, "呼吸内科", ("J44.100", "慢性阻塞性肺病伴有急性加重"), (*_ADMISSION, p.CT, p.XRAY),
    drugs=(p.DIGESTION,), drug_kinds=1, infusions=(p.ANTIBIOTIC, p.HEAT_CLEARING_INJECTION, p.SHENMAI),
    infusion_days=9, severe=True, nights=(7, 13),
)  # fmt: skip
LONG_RECOVERY = Reason(
    "long_recovery", WARD, "康复医学科", ("I63.900", "脑梗死"), (*_ADMISSION, p.CT), drugs=(p.STATIN,), drug_kinds=1,
    supply=28, treatments=(p.ACUPUNCTURE, p.MOXIBUSTION), infusions=(p.SALVIA,), infusion_days=10, nights=(26, 40),
)  # fmt: skip
CATARACT = Reason(
    "cataract", WARD, "眼科", ("H26.900", "白内障"), _SURGICAL, surgery=Surgery(
        "13.4100x001", "白内障超声乳化抽吸术", (p.CATARACT_REMOVAL, p.LOCAL_ANAESTHESIA), (p.LENS,)),
    infusions=(p.ANTIBIOTIC,), infusion_days=2, nights=(2, 4),
)  # fmt: skip
GALLBLADDER = Reason(
    "gallbladder", WARD, "普通外科", ("K80.000x004", "胆囊结石伴慢性胆囊炎急性发作"), (*_SURGICAL, p.CT, p.ULTRASOUND),
    surgery=Surgery("51.2300", "腹腔镜下胆囊切除术", (p.GALLBLADDER_REMOVAL, p.GENERAL_ANAESTHESIA)),
    infusions=(p.ANTIBIOTIC, p.POTASSIUM, p.AMINO_ACIDS), infusion_days=5, severe=True, nights=(5, 8),
)  # fmt: skip
APPENDIX = Reason(
    "appendix", WARD_AFTER_EMERGENCY, "普通外科", ("K35.300", "急性阑尾炎伴局限性腹膜炎"), (*_SURGICAL, p.CT),
    surgery=Surgery("47.0901", "阑尾切除术", (p.APPENDECTOMY, p.SPINAL_ANAESTHESIA)),
    infusions=(p.ANTIBIOTIC, p.POTASSIUM), infusion_days=5, nights=(4, 7),
)  # fmt: skip
HIP = Reason(
    "hip", WARD, "骨科", ("S72.000", "股骨颈骨折"), (*_SURGICAL, p.CT, p.ULTRASOUND),
    surgery=Surgery("81.5100", "全髋关节置换", (p.HIP_REPLACEMENT, p.GENERAL_ANAESTHESIA), (p.HIP,)),
    drugs=(p.ANTICOAGULANT, p.BONE), supply=14, infusions=(p.ANTIBIOTIC, p.ALBUMIN, p.POTASSIUM), infusion_days=6,
    severe=True, nights=(9, 14),
)  # fmt: skip
BIRTH = Reason(
    "birth", MATERNITY, "产科", ("O42.000x001", "足月胎膜早破(在24小时之内产程开始)"), (*_SURGICAL, p.ULTRASOUND),
    surgery=Surgery("73.5900x002", "头位阴道助产", (p.DELIVERY,)), drugs=(p.MOTHERWORT,), drug_kinds=1, supply=7,
    nights=(3, 5),
)  # fmt: skip
CHEST_PAIN = Reason(
    "chest_pain", WARD, "心血管内科", ("I20.000", "不稳定型心绞痛"), (*_SURGICAL, p.ULTRASOUND),
    surgery=Surgery("88.5701", "多根导管冠状动脉造影", (p.ANGIOGRAPHY, p.LOCAL_ANAESTHESIA)), drugs=(p.STATIN,),
    drug_kinds=1, supply=28, infusions=(p.SALVIA, p.POTASSIUM), infusion_days=4, severe=True, nights=(4, 7),
)  # fmt: skip
STENT = Reason(
    "stent", WARD, "心血管内科", ("I25.103", "冠状动脉粥样硬化性心脏病"), (*_SURGICAL, p.ULTRASOUND),
    surgery=Surgery("36.0601", "冠状动脉药物涂层支架置入术",
        (p.ANGIOGRAPHY, p.STENTING_AFTER_ANGIOGRAPHY, p.LOCAL_ANAESTHESIA), (p.STENT,)),
    drugs=(p.STATIN, p.ANTICOAGULANT), supply=28, infusions=(p.SALVIA, p.POTASSIUM), infusion_days=5, severe=True,
    nights=(5, 8),
)  # fmt: skip
OVARY = Reason(
    "ovary", WARD, "妇科", ("C56.x00", "卵巢恶性肿瘤"), (*_SURGICAL, p.CT, p.ULTRASOUND),
    surgery=Surgery("65.6100", "双侧输卵管卵巢切除术", (p.OVARY_RADICAL, p.GENERAL_ANAESTHESIA)),
    infusions=(p.ANTIBIOTIC, p.LIPID_EMULSION, p.AMINO_ACIDS, p.ALBUMIN), infusion_days=8, severe=True, nights=(12, 17),
)  # fmt: skip
CHEMOTHERAPY = Reason(
    "chemotherapy", WARD, "肿瘤科", ("Z51.102", "手术后恶性肿瘤化学治疗"), _ADMISSION,
    infusions=(p.PACLITAXEL, p.CHEMO_SUPPORT), infusion_days=2, nights=(2, 4),
)  # fmt: skip
KIDNEY_WARD = Reason(
    "kidney_ward", WARD, "呼吸内科", ("J15.900", "细菌性肺炎"), (*_ADMISSION, p.CT),
    infusions=(p.ANTIBIOTIC, p.HEAT_CLEARING_INJECTION), infusion_days=8, severe=True, nights=(8, 12),
)  # fmt: skip
PAPER_WARD = Reason(
    "paper_ward", WARD, "内科", ("J40.x00", "支气管炎"), _ADMISSION, drugs=(p.DIGESTION,), drug_kinds=1,
    treatments=(p.ACUPUNCTURE, p.MOXIBUSTION), infusions=(p.HEAT_CLEARING_INJECTION, p.SALVIA), infusion_days=9,
    nights=(8, 12),
)  # fmt: skip
INFUSION_WARD = Reason(
    "infusion_ward", WARD, "内科", ("I63.900", "脑梗死"), _ADMISSION, drugs=(p.STATIN,), drug_kinds=1, supply=14,
    infusions=(p.TROXERUTIN, p.GASTRODIN, p.SALVIA), infusion_days=12, nights=(8, 11),
)  # fmt: skip
