"""pytest -p only_store: the tests whose outcome may depend on the database, and no others.

Pages are walked in a browser on SQLite alone: what they are made of is held on both, by faster tests.
"""

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    needs = {
        item
        for item in items
        if "migrated_store" in getattr(item, "fixturenames", ()) and "browser" not in item.path.parts
    }
    config.hook.pytest_deselected(items=[item for item in items if item not in needs])
    items[:] = [item for item in items if item in needs]
