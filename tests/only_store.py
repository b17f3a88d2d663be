"""pytest -p only_store: the tests whose outcome may depend on the database, and no others."""

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    needs = {item for item in items if "migrated_store" in getattr(item, "fixturenames", ())}
    config.hook.pytest_deselected(items=[item for item in items if item not in needs])
    items[:] = [item for item in items if item in needs]
