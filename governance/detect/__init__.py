"""Who reviews whom, judged against chance; and canaries, which measure who sees a defect. It asks for more review."""
