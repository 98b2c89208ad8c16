from hypothesis import given
from hypothesis import strategies as st

from headframe.chain.share import header_of
from miner.devices.base import Work
from tests.fakes.source import make_job


@given(
    st.sampled_from([0, 1, 4, 8]),
    st.binary(min_size=8, max_size=8),
    st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=4),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
)
def test_heads_tail_and_nonce_are_the_header_of_the_share(
    size: int, extranonce: bytes, versions: list[int], ntime: int, nonce: int
) -> None:
    job = make_job(size=size)
    work = Work(job=job, extranonce=extranonce[:size], versions=tuple(versions), ntime=ntime)
    heads, tail = work.encode()
    assert [len(head) for head in heads] == [64] * len(versions)
    for index, head in enumerate(heads):
        header = head + tail + nonce.to_bytes(4, "little")
        assert header == header_of(job, work.share(index, nonce))
