"""`python -m governance` is `twinseal`."""

from governance.entrypoints.cli.main import main

main()
