"""The two things pyproject.toml cannot say: the cffi module, and the stable-ABI wheel tag."""

from setuptools import setup

setup(
    cffi_modules=["native/build.py:ffibuilder"],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
