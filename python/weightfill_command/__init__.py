"""Where the `weightfill` command begins: Ctrl-C is made quiet before anything is imported that takes time."""

import signal


def main() -> None:
    """Run the command of this process."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as a shell has it for jobs in the background
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends the process at once, without a traceback
    from weightfill._cli import main as run

    run()
