"""Detectors (模型) that score instead of judging: anomaly, graph, inventory, payment, price, fund.

None is in it yet, only what each must be. Imports knowledge_base. Open first: detector.py.
"""
