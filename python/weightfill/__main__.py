"""`python -m weightfill`: the command `weightfill`, where it is not on the PATH."""

from weightfill_command import main

if __name__ == "__main__":
    main()
