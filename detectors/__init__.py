"""Detectors (模型) that score instead of judging: anomaly, graph, inventory, payment, price, fund.

Nothing is in it yet: the first ones come with the work on anomalies. Imports knowledge_base. Open first: __init__.py.
"""
