"""Its presence puts this folder on the path, so that tests share the builders beside it.

Property tests look at other examples in every run, but for CI, where a change is judged by what it changed: there the
examples are always the same ones (`HYPOTHESIS_PROFILE=ci`).
"""

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
