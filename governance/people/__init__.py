"""Who may act: principals, their keys, their tokens, and the statements they sign."""
