"""Published sheets (两库知识点明细, xlsx) as points of the catalogues: read, compared with what is known, and written.

Imports knowledge_base.catalogues. Open first: columns.py, then forms.py.
"""
