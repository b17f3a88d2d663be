"""What refers to another row is found by an index: else each row that is deleted costs a look through a whole table."""

from django.apps import apps
from django.db import models

# Tenants, businesses, assistants and operators are few, and seldom go.
FEW = {"Tenant", "Business", "AssistantVersion", "Operator"}


def begins_an_index(field):
    meta = field.model._meta
    unique = [each.fields for each in meta.constraints if isinstance(each, models.UniqueConstraint)]
    whole = [
        each.fields for each in meta.indexes if each.condition in {None, models.Q(**{f"{field.name}__isnull": False})}
    ]
    return field.db_index or field.unique or any(each[0] == field.name for each in (*unique, *whole))


def test_a_reference_that_the_database_checks_begins_an_index():
    keys = [
        field
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey) and field.db_constraint and field.related_model.__name__ not in FEW
    ]
    assert len(keys) > 20
    assert {f"{each.model.__name__}.{each.name}" for each in keys if not begins_an_index(each)} == set()
