"""How work runs: threads, instruction set, progress, interruption."""
