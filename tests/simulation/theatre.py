"""Where stories are told: the surroundings and the store, prepared once for all of them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from unittest.mock import patch

from hailgate.accounts import seal
from hailgate.env import Environment

from .dialects import DIALECTS
from .premises import Premises
from .store import Store
from .surroundings import replaced
from .world import Story, World

# Drawn by each installation, once; addresses are looked up, and their rows written, in the order of their digests.
LOOKUP_KEY = bytes(32)


class Theatre:
    def __init__(self, store: Store, premises: Mapping[str, Premises], env: Environment) -> None:
        self._store, self._premises, self._env = store, premises, env

    @classmethod
    @contextmanager
    def opened(cls, env: Environment) -> Iterator["Theatre"]:
        store = Store()
        premises: dict[str, Premises] = {}

        def furnish() -> None:
            premises.update({name: Premises.furnished(dialect) for name, dialect in DIALECTS.items()})

        sealer = seal.Sealer(env.sealing_keys, content=env.seal_content)
        sealer.use_lookup_key(LOOKUP_KEY)
        sealed = patch.object(seal, "_sealer", sealer)
        # Each story opens the same few secrets again, which costs as much as a small transaction.
        opened = patch.object(sealer, "_opened", lru_cache(sealer._opened))
        with sealed, opened, store.opened(furnish), replaced(store.connection):
            yield cls(store, premises, env)

    def world(self, seed: int, forced: Sequence[str] = ()) -> World:
        return World(seed, self._store, self._premises, self._env, forced)

    def tell(self, seed: int, forced: Sequence[str] = ()) -> Story:
        world = self.world(seed, forced)
        story = world.tell()
        # Everything there knows the world: taken apart here, most of it need not wait for the garbage collector.
        vars(world).clear()
        return story
