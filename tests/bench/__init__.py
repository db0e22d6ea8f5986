"""What it costs to be governed. Every figure stands beside something measured in the same run, by turns with it.

Absolute times say more about a machine than about us, so none is given alone; a missed reach is shown, never hidden.
"""
