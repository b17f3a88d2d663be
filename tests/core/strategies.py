"""JSON as bad as it gets: huge numbers, NUL, lone surrogates, odd keys, nesting."""

from hypothesis import strategies as st

any_text = st.text(st.characters() | st.characters(categories=["Cs"]) | st.just("\0"), max_size=30)
any_number = st.integers() | st.floats() | st.sampled_from([10**4000, -(10**4000), 2**63, 2**64])
any_json = st.recursive(
    st.none() | st.booleans() | any_number | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=8,
)
