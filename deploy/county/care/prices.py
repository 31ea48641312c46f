"""What the county's institutions sell: a small price list of their own.

Codes and names of services follow the national item list (全国医疗服务价格项目规范, 2001 and 2007 editions:
"00", nine digits of the item, four of its sub-item), those of drugs the national drug code table.
Consumables have codes of the official length in a class 99 that does not exist, and artificial lenses have none:
nobody has matched them yet. Prices are invented, of a plausible size, in fen (0.01 yuan).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """Something billed: ``fen`` a unit at the highest level, ``scope`` the percentage within the fund's scope."""

    code: str | None
    name: str
    kind: str
    fen: int
    scope: int


def _service(number: str, name: str, yuan: float, scope: int = 100) -> Item:
    return Item("00" + number.ljust(13, "0"), name, "service", round(yuan * 100), scope)


def _drug(code: str, name: str, yuan: float, scope: int = 90) -> Item:
    return Item(code, name, "drug", round(yuan * 100), scope)


def _consumable(number: int | None, name: str, yuan: float, scope: int = 80) -> Item:
    code = None if number is None else f"C99{number:017d}"
    return Item(code, name, "consumable", round(yuan * 100), scope)


def _herb(code: str, name: str, yuan: float) -> Item:
    return Item(code, name, "herb_piece", round(yuan * 100), 100)


# Visits and wards
CONSULTATION = _service("110200001", "普通门诊诊查费", 8)
EMERGENCY_CONSULTATION = _service("110200003", "急诊诊查费", 12)
WARD_ROUND = _service("110200005", "住院诊查费", 12)
BED = _service("110900001", "普通病房床位费", 26)
BED_OF_THREE = _service("1109000010300", "普通病房床位费(三人间)", 36)
NURSING_FIRST = _service("120100003", "Ⅰ级护理", 26)
NURSING_SECOND = _service("120100004", "Ⅱ级护理", 16)
INFUSION = _service("120400006", "静脉输液", 8)
INTRAMUSCULAR = _service("120400001", "肌肉注射", 3)
INTRAVENOUS = _service("120400002", "静脉注射", 5)
OXYGEN = _service("120300001", "氧气吸入", 3)
MONITORING = _service("310701022", "心电监测", 4)
SATURATION = _service("310701028", "血氧饱和度监测", 2)
NEBULISER = _service("120700001", "雾化吸入", 6)
MOUTH_CARE = _service("1201000140100", "一般专项护理(口腔护理)", 5)
SYRINGE = _consumable(1, "一次性使用无菌注射器", 0.8)
INFUSION_SET = _consumable(2, "一次性使用输液器", 2.4)
CANNULA = _consumable(3, "一次性使用静脉留置针", 18)
DRESSING = _consumable(4, "医用敷贴", 6)

# Laboratory
BLOOD_COUNT = _service("250101015", "血细胞分析", 18)
URINE = _service("250102035", "尿液分析", 10)
STOOL = _service("250103001", "粪便常规", 4)
CRP = _service("250401025", "C－反应蛋白测定", 22)
GLUCOSE = _service("250302001", "葡萄糖测定", 6)
TOLERANCE_TEST = _service("3102050010100", "葡萄糖耐量试验(口服)", 45)
HBA1C = _service("2503020030100", "糖化血红蛋白测定(色谱法)", 62)
LIVER = tuple(
    _service(number, name, 6)
    for number, name in (
        ("250305007", "血清丙氨酸氨基转移酶测定"),
        ("250305008", "血清天门冬氨酸氨基转移酶测定"),
        ("250305001", "血清总胆红素测定"),
        ("250301001", "血清总蛋白测定"),
        ("250301002", "血清白蛋白测定"),
    )
)
KIDNEY = tuple(
    _service(number, name, 6)
    for number, name in (("250307001", "尿素测定"), ("250307002", "肌酐测定"), ("250307005", "血清尿酸测定"))
)
LIPIDS = tuple(
    _service(number, name, 8)
    for number, name in (
        ("250303001", "血清总胆固醇测定"),
        ("250303002", "血清甘油三酯测定"),
        ("250303004", "血清高密度脂蛋白胆固醇测定"),
        ("250303005", "血清低密度脂蛋白胆固醇测定"),
    )
)
ELECTROLYTES = tuple(
    _service(number, name, 5)
    for number, name in (
        ("250304001", "钾测定"),
        ("250304002", "钠测定"),
        ("250304003", "氯测定"),
        ("250304004", "钙测定"),
    )
)
CLOTTING = tuple(
    _service(number, name, 15)
    for number, name in (
        ("250203020", "血浆凝血酶原时间测定(PT)"),
        ("250203025", "活化部分凝血活酶时间测定(APTT)"),
        ("250203030", "血浆纤维蛋白原测定"),
    )
)
INFECTIONS = tuple(
    _service(number, name, 25)
    for number, name in (
        ("250403004", "乙型肝炎表面抗原测定(HBsAg)"),
        ("250403019", "人免疫缺陷病毒抗体测定(Anti-HIV)"),
        ("250403053", "梅毒螺旋体特异抗体测定"),
    )
)
VAGINAL_SMEAR = _service("250104014", "阴道分泌物检查", 12)
PROSTATIC_FLUID = _service("250104013", "前列腺液常规检查", 12)

# Imaging and treatment
ECG = _service("310701001", "常规心电图检查", 20)
XRAY = _service("210102015", "数字化摄影(DR)", 60)
CT = _service("210300001", "X线计算机体层(CT)平扫", 190)
MRI = _service("210200001", "磁共振平扫", 480)
ULTRASOUND = _service("220301001", "彩色多普勒超声常规检查", 85)
GASTROSCOPY = _service("310902005", "纤维胃十二指肠镜检查", 160)
COLPOSCOPY = _service("311201004", "阴道镜检查", 70)
VAGINAL_WASH = _service("311201006", "阴道灌洗上药", 28)
MICROWAVE = _service("3112010200200", "妇科特殊治疗(微波)", 65)
ACUPUNCTURE = _service("430000001", "普通针刺", 22)
MOXIBUSTION = _service("440000001", "灸法", 18)
DIALYSIS = _service("3110000060100", "血液透析(碳酸液透析)", 330)
DIALYSER = _consumable(5, "血液透析器", 95, 90)

# Operations
LOCAL_ANAESTHESIA = _service("330100001", "局部浸润麻醉", 30)
SPINAL_ANAESTHESIA = _service("330100003", "椎管内麻醉", 380)
GENERAL_ANAESTHESIA = _service("330100005", "全身麻醉", 620)
ANAESTHESIA_MONITORING = _service("330100015", "麻醉中监测", 32)
ANGIOGRAPHY = _service("320500001", "冠状动脉造影术", 2600)
STENTING = _service("320500003", "经皮冠状动脉内支架置入术(STENT)", 4400)
STENTING_AFTER_ANGIOGRAPHY = _service(
    "3205000030100",
    "经皮冠状动脉内支架置入术(STENT)(若冠状动脉造影术后立即进行STENT术，应视作二次手术分别计价)",
    4400,
)
STENT = _consumable(6, "冠状动脉药物洗脱支架", 780, 90)
OVARY_RADICAL = _service("331301006", "卵巢癌根治术", 3600)
APPENDECTOMY = _service("331003022", "阑尾切除术", 980)
GALLBLADDER_REMOVAL = _service("331006002", "胆囊切除术", 1300)
CATARACT_REMOVAL = _service("330406005", "白内障超声乳化摘除术", 1700)
LENS = _consumable(None, "人工晶状体", 620, 70)
HIP_REPLACEMENT = _service("331507005", "人工全髋关节置换术", 3100)
HIP = _consumable(7, "髋关节假体", 7300, 80)
DELIVERY = _service("331400002", "单胎顺产接生", 900)

# Drugs
ANTIBIOTIC = _drug("XJ01DET084B001010100381", "注射用硫酸头孢匹罗", 38)
HEAT_CLEARING_INJECTION = _drug("ZA04BAX0048010105337", "喜炎平注射液", 21)
SHUANGHUANGLIAN = _drug("ZA01BAS0846010101363", "双黄连注射液", 9, 100)
SALVIA = _drug("ZA12CAD0073010100142", "丹参注射液", 12, 100)
XUESAITONG = _drug("ZA12HAX0869010101267", "血塞通注射液", 26)
SHENMAI = _drug("ZA09HAC0101010102129", "参麦注射液", 24, 100)
POTASSIUM = _drug("XA12BAM074B002010100365", "门冬氨酸钾镁注射液", 14)
STOMACH = _drug("XA02BCA348X006010104145", "奥美拉唑碳酸氢钠干混悬剂(Ⅰ)", 46)
ACID_BLOCKER = _drug("XA02BCF721A001010100239", "富马酸伏诺拉生片", 62)
DIGESTION = _drug("ZA09ABJ0145010101061", "健脾止泻宁颗粒", 28, 100)
PAINKILLER_INJECTION = _drug("XM01AEY320B002010101435", "右酮洛芬氨丁三醇注射液", 34)
PRESSURE = _drug("XC09DXS255A001010101606", "沙库巴曲缬沙坦钠片", 58)
PRESSURE_FOLIC = _drug("XC08CAA321A001010179306", "氨氯地平叶酸片(Ⅱ)", 52)
STATIN = _drug("XC10BAY348A001010100177", "依折麦布阿托伐他汀钙片(Ⅱ)", 66)
METFORMIN = _drug("XA10BDE083A001010104522", "二甲双胍恩格列净片(Ⅲ)", 72)
GLIATIN = _drug("XA10BXD360A001010100648", "多格列艾汀片", 126)
ANTICOAGULANT = _drug("XB01AFA319A001010101748", "甲苯磺酸艾多沙班片", 118)
BONE = _drug("XA11CCA351E002010101121", "艾地骨化醇软胶囊", 88)
ERYTHROPOIETIN = _drug("XB03XAC149B002010179436", "重组人促红素-β注射液(CHO细胞)", 42)
ROXADUSTAT = _drug("XB03XAL373E001010100177", "罗沙司他胶囊", 95)
ALBUMIN = _drug("XB05AAR021B001010100348", "人血白蛋白", 380)
LIPID_EMULSION = _drug("XB05BAZ018B002010100273", "脂肪乳注射液(C14-24)", 46)
AMINO_ACIDS = _drug("XB05BAF150B002010100269", "复方氨基酸注射液(18AA)", 32)
GINKGO = _drug("XC02CXY165B002010102918", "银杏达莫注射液", 24)
OZAGREL = _drug("XB01AXA223B001010100269", "注射用奥扎格雷钠", 36)
TROXERUTIN = _drug("XC05CAQ094B002010100267", "曲克芦丁注射液", 28)
GASTRODIN = _drug("XN07XXT050B002010100239", "天麻素注射液", 25)
PACLITAXEL = _drug("XL01CDZ046B017010101586", "注射用紫杉醇脂质体", 420)
CHEMO_SUPPORT = _drug("ZC02AAC0115010100454", "参芪扶正注射液", 96)
PROSTATE = _drug("XG04CBF019A001010100030", "非那雄胺片", 44)
CHILD_COLD = _drug("XN02BEX085N001010100269", "小儿氨酚黄那敏颗粒", 14, 100)
CHILD_COUGH = _drug("ZA06BBX0548010100038", "小儿止咳糖浆", 12, 100)
CHILD_ASTHMA = _drug("ZA06CAX0434010100026", "小儿咳喘灵颗粒", 16, 100)
WOMENS_TABLETS = _drug("ZD02AAF0202010105046", "妇科千金片", 32, 100)
SUPPOSITORY = _drug("ZD02BAB0238010105763", "保妇康栓", 29)
MOTHERWORT = _drug("ZD01BAY0318010100281", "益母草颗粒", 22, 100)

HERBS = tuple(
    _herb(code, name, yuan)
    for code, name, yuan in (
        ("T000600266", "茯苓", 0.06),
        ("T000600852", "薏苡仁", 0.04),
        ("T000800112", "陈皮", 0.05),
        ("T000900421", "净山楂", 0.05),
        ("T000900536", "麦芽", 0.04),
        ("T001700173", "当归", 0.14),
        ("T001700294", "枸杞子", 0.12),
        ("T001700368", "黄芪", 0.09),
        ("T001700667", "山药", 0.07),
        ("T001700869", "玉竹", 0.12),
        ("T001800493", "莲子", 0.09),
        ("T000200433", "金银花", 0.31),
        ("T000100467", "菊花", 0.13),
        ("T001800622", "芡实", 0.09),
    )
)
