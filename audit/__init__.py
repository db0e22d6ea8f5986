"""The ledger: entries that are chained, durable and provable. It knows nothing of governance.

`ledger.Ledger` is the one way to write; `stores` opens and reads; `verify` judges a ledger file on its own.
"""
