import pytest

from native.reference import ReferenceKernel
from tests.contracts.kernel import KernelContract


class TestReferenceKernel(KernelContract):
    @pytest.fixture
    def kernel(self):
        return ReferenceKernel()
