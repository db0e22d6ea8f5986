"""The tables of the first version: entries, head row, blobs. What was made then has them; nothing is to be done."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Do nothing: a ledger without tables is made in the newest shape at once."""
