"""Blocks of Python threads and tasks that redirect other libraries."""

import asyncio
import contextvars
import threading

from weightfill._run.blocks import Blocks

blocks = Blocks("tests.blocks", lambda values: None, lambda: None)


def test_a_thread_with_the_context_of_a_block_is_outside_of_it():
    seen = []
    with blocks.opened("here"):
        context = contextvars.copy_context()  # what free-threaded Python 3.14 gives each thread that is started here
        thread = threading.Thread(target=lambda: seen.append(context.run(blocks.here)))
        thread.start()
        thread.join()
        assert blocks.here() == ["here"]
    assert seen == [[]]


def test_a_call_that_a_task_hands_to_a_thread_is_outside_of_its_block():
    async def look():
        with blocks.opened("here"):
            return blocks.here(), await asyncio.to_thread(blocks.here)

    assert asyncio.run(look()) == (["here"], [])


def test_a_task_that_is_started_in_a_block_is_within_it_until_it_ends():
    async def look(event):
        before = blocks.here()
        await event.wait()
        return before, blocks.here()

    async def main():
        event = asyncio.Event()
        with blocks.opened("here"):
            task = asyncio.create_task(look(event))
            await asyncio.sleep(0)
        event.set()
        return await task

    assert asyncio.run(main()) == (["here"], [])
