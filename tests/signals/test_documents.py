import doctest

import pytest

from tests.repository import DOCS


@pytest.mark.parametrize(("name", "least"), [("signals.md", 9), ("theory.md", 11)])
def test_examples_of_the_documents_are_right(name, least):
    found = doctest.testfile(str(DOCS / "concepts" / name), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert found.attempted >= least
    assert not found.failed
