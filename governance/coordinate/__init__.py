"""What principals do together: vetoes and freezes, write locks, gates, messages, decisions."""
