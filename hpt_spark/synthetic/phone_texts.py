"""Names of phone brands and models, half of them Chinese, as in the real data."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice

BRAND_SHARES = {
    "小米": 0.231, "三星": 0.221, "华为": 0.209, "vivo": 0.060, "OPPO": 0.058, "魅族": 0.050, "酷派": 0.034,
    "联想": 0.027, "金立": 0.011, "HTC": 0.011, "中兴": 0.009, "乐视": 0.007, "索尼": 0.007, "努比亚": 0.005,
    "LG": 0.005, "中国移动": 0.004, "TCL": 0.004, "锤子": 0.004,
}  # fmt: skip
BRANDS = 131

_SERIES = {
    "小米": ("红米Note", "红米", "MI ", "小米Max"),
    "三星": ("Galaxy Note ", "Galaxy S", "Galaxy A", "Galaxy 核心"),
    "华为": ("荣耀畅玩", "荣耀", "Mate ", "P"),
    "vivo": ("X", "Y"),
    "OPPO": ("R", "A"),
    "魅族": ("魅蓝note", "MX", "魅蓝"),
}
# "S" is the same for all of them.
_SERIES_OF_OTHERS = ("{} ", "{}-", "S", "{}系列", "{} Note", "{} Max", "{}畅玩", "{}M")
_VARIANTS = (
    "", "X", ", 2016", ' "青春版"', "S", "Plus", " Pro", "高配版", "移动4G", "(双卡)", "e", "/T", "_1", " 电信版",
)  # fmt: skip
_OTHER_BRANDS = [
    "奇酷", "一加", "优米", "朵唯", "天语", "夏新", "黑米", "糖葫芦", "海信", "摩托罗拉", "西米", "PPTV",
    "诺基亚", "美图", "ZUK", "E派", "飞利浦", "神舟", "蓝魔", "酷比", "基伍", "昂达", "先锋", "欧博信", "Lovme",
    "小杨树", "艾优尼", "TOOKY", "米奇", "至尊宝", "德赛", "aiek", "LOGO", "百立丰", "康佳", "长虹", "sugar",
    "语信", "青橙",
]  # fmt: skip
_FIRST, _SECOND = "天海金华大新中宏欧优易百神飞朗亿", "语为唐邦博星歌诺赛凯魅比米"


def brand_names() -> list[str]:
    """Return the brands, the most widespread first."""
    pairs = (_FIRST[i % len(_FIRST)] + _SECOND[(i // len(_FIRST) + i) % len(_SECOND)] for i in count())
    known = dict.fromkeys([*BRAND_SHARES, *_OTHER_BRANDS])
    unknown = (name for name in pairs if name not in known)
    return [*known, *islice(unknown, BRANDS - len(known))]


def model_names(brand: str, models: int) -> list[str]:
    """Return different names for so many models of `brand`; a few of them other brands have, too."""
    series = _SERIES.get(brand) or tuple(name.format(brand) for name in _SERIES_OF_OTHERS)
    return list(islice(_names(series), models))


def _names(series: tuple[str, ...]) -> Iterator[str]:
    for place in count():
        number = place // len(series) + 2
        yield f"{series[place % len(series)]}{number}{_VARIANTS[place % len(_VARIANTS)]}"
