"""Objects under guards, and lists in pages, against real servers."""

from __future__ import annotations

import pytest

from quorate.harness.core.outcome import Refused

SPACE = "test-objects"


async def refusal(awaitable) -> Refused:
    with pytest.raises(Refused) as caught:
        await awaitable
    return caught.value


def test_changes_are_made_only_for_the_latest_revision(run, servers):
    async def body():
        client = await servers.client()
        try:
            made = await client.replace(SPACE, "guarded", 1, 0)
            again = await refusal(client.replace(SPACE, "guarded", 2, 0))
            assert (again.code, again.seen, again.version) == ("conflict", [1, made.version], made.version)
            changed = await client.replace(SPACE, "guarded", 3, made.version)
            assert (changed.value, changed.version) == ([3, made.version], made.version + 1)
            deleted = await client.replace(SPACE, "guarded", None, changed.version)
            assert deleted.version == changed.version + 1
            gone = await refusal(client.replace(SPACE, "guarded", 4, changed.version))
            assert (gone.seen, gone.version) == ([None, 0], deleted.version)
        finally:
            await client.close()

    run(body())


@pytest.mark.parametrize("page", [0, 1, 2, 3, 7])
def test_a_list_is_one_revision_in_however_many_pages(run, servers, page):
    async def body():
        client = await servers.client()
        space = f"{SPACE}-{page}"
        try:
            made = [(await client.replace(space, f"o{n}", n, 0)).version for n in range(6)]
            everything = [[f"o{n}", n, revision] for n, revision in enumerate(made)]
            listed = await client.listing(space, None, page)
            assert listed.value == {"at": made[-1], "objects": everything}
            assert listed.version == made[-1]
            await client.replace(space, "o2", None, made[2])
            past = await client.listing(space, made[3], page)
            assert past.value == {"at": made[3], "objects": everything[:4]}
            assert past.version == made[-1] + 1
            now = await client.listing(space, None, page)
            assert [name for name, _, _ in now.value["objects"]] == ["o0", "o1", "o3", "o4", "o5"]
            await client.forget(space, made[-1])
            assert (await refusal(client.listing(space, made[3], page))).code == "compacted"
        finally:
            await client.close()

    run(body())
