"""Checks: one pure function a rule, by topic. A rule file names its check as ``module.function``."""
