"""The public names of the package with what they mean, as `from weightfill import *` gives them."""

import weightfill as wf

PUBLIC = {name: getattr(wf, name) for name in wf.__all__}
