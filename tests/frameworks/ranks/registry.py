"""The checks that every process of a group runs, each registered for the sizes of group that it is meant for."""

WORLDS = (1, 2, 4)
CHECKS = {}


def check(*worlds):
    """Register a check for groups of these sizes, of all if there are none."""

    def register(function):
        assert function.__name__ not in CHECKS
        CHECKS[function.__name__] = (function, worlds or WORLDS)
        return function

    return register


def checks_of(world):
    return [name for name, (_, worlds) in CHECKS.items() if world in worlds]
