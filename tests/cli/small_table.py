"""A small table: the options of the command for it."""

NORMAL = ["--init", "normal", "--std", "0.02", "--seed", "42", "--stream", "items"]
SMALL = ["--rows", "1000", "--dim", "8"]
