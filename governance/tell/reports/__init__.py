"""The daily and weekly report: what happened, who approved it, what to do. From the ledger alone."""
