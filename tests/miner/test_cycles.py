from miner.cycles import CycleCounter


def work(turns: int) -> int:
    return sum(i * i for i in range(turns))


def test_cycles_grow_with_the_work_or_are_not_known() -> None:
    with CycleCounter() as counter:
        work(1000)
        first = counter.cycles
        work(100_000)
        second = counter.cycles
    if first is None:
        assert second is None
    else:
        assert second is not None
        assert second - first > 100_000, "a core does no such turn in a single cycle"


def test_outside_of_the_block_nothing_is_known() -> None:
    counter = CycleCounter()
    assert counter.cycles is None
    with counter:
        pass
    assert counter.cycles is None
