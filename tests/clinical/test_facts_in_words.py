"""What a fact is called on cards and pages is written for readers."""

from __future__ import annotations

import pytest

from isodose.clinical import facts


@pytest.mark.parametrize("name", facts.vocabulary())
def test_a_fact_is_explained_without_the_names_of_other_facts(name: str) -> None:
    assert "_" not in facts.definition(name).definition
