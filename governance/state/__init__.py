"""State tables: projections of the ledger, written in the transaction of the entry that causes them."""
