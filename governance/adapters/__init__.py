"""The only rooms that touch the world: git, gpg, files, the clock, the network."""
