"""Events: what happened, as reported. Immutable, in the words of the national interface.

The official field name stands behind each field (setl_id, mdtrt_id ...), from 《医疗保障信息平台
定点医药机构接口规范》 (national XJ-K01-2020 and its provincial editions). A field that is absent is ``None``: rules
that need it answer "not evaluated", never "fine". Codes outside the official dictionaries are accepted (a bad code
must not hide spending) and shown as an oddity of the data, so code fields are plain strings. New fields come last in
their type, with a default. The types are msgspec Structs that the garbage collector leaves alone (nothing in them can
hold itself): a claim of ten lines is read into them in 39 µs, into dataclasses in 54.

One file a kind. Imports knowledge_base alone. Open first: claims.py.
"""
