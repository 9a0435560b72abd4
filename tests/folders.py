"""What is in a folder that a test writes to."""


def names(folder):
    return sorted(path.name for path in folder.iterdir())
