"""How names are found by what people type: a part of the name, its pinyin, or the initials of that (拼音首字母)."""

import unicodedata


def folded(text: str) -> str:
    """A text as it is looked up: one form for all spellings of its signs, small letters, no blanks."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def parts(text: str) -> set[str]:
    """A folded text and every part of it up to its end: what begins like one of them is in the text."""
    return {text[at:] for at in range(len(text))}


def spellings(name: str) -> set[str]:
    """Every word by whose beginning a name is found: its own parts, and those of its pinyin and of its initials.

    ``中医院`` is found by 医院, zhongyi and zyy. A sign with several readings has the one that its phrase gives it
    (长沙 chang, 成长 zhang); ü is v, as people type it.
    """
    # Its dictionary takes memory, and a desk whose institutions are spelled already does not need it.
    from pypinyin import lazy_pinyin

    signs = folded(name)
    syllables = lazy_pinyin(signs, errors=list)  # type: ignore[arg-type] # signs that are none of Chinese, one by one
    ways = (list(signs), syllables, [syllable[0] for syllable in syllables])
    return {"".join(way[at:]) for way in ways for at in range(len(way))}
