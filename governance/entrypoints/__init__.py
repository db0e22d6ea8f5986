"""Thin rims: parse, call, answer. No rules here."""
