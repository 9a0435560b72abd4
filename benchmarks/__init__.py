"""How fast weightfill is: against the machine's own ceiling, against other libraries, and against an earlier run."""
