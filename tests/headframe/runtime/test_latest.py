import asyncio

from headframe.runtime.latest import Latest


async def test_a_reader_waits_for_a_newer_value():
    cell = Latest(1)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        reader = group.create_task(cell.wait_newer(cell.serial))
        await asyncio.sleep(0)
        cell.set(2)
        assert await reader == 2
    assert cell.get() == 2


async def test_a_value_set_before_the_wait_is_not_missed():
    cell = Latest("old")
    serial = cell.serial
    cell.set("new")
    async with asyncio.timeout(20):
        assert await cell.wait_newer(serial) == "new"


async def test_a_slow_reader_skips_to_the_newest():
    cell = Latest(0)
    seen = []
    async with asyncio.timeout(20):
        async for value in cell:
            seen.append(value)
            if value == 0:
                cell.set(1)
                cell.set(2)
            else:
                break
    assert seen == [0, 2]


async def test_all_readers_wake_and_a_cancelled_one_does_no_harm():
    cell = Latest(0)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        readers = [group.create_task(cell.wait_newer(0)) for _ in range(3)]
        await asyncio.sleep(0)
        readers[0].cancel()
        cell.set(7)
        assert await readers[1] == 7
        assert await readers[2] == 7
    assert readers[0].cancelled()
