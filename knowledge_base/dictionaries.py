"""Official dictionaries (national edition); values that provinces add are accepted and shown as odd."""

#: Official dictionaries (national edition); values that provinces add are accepted and shown as odd.
SEXES = {"1": "男", "2": "女", "0": "未知", "9": "未说明"}


INPATIENT_VISITS = frozenset({"21", "22", "24", "28", "52"})


EMERGENCY_VISITS = frozenset({"13"})


VISIT_TYPES = {
    "11": "普通门诊",
    "12": "门诊挂号",
    "13": "急诊",
    "14": "门诊慢特病",
    "19": "意外伤害门诊",
    "21": "普通住院",
    "22": "外伤住院",
    "24": "急诊转住院",
    "28": "日间手术",
    "41": "定点药店购药",
    "51": "生育门诊",
    "52": "生育住院",
    "53": "计划生育手术费",
}


ITEM_KINDS = {"drug": "药品", "service": "医疗服务项目", "consumable": "医用耗材", "herb_piece": "中药饮片"}
