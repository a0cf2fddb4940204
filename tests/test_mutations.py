"""What mutation testing changes in a source, and what it leaves alone."""

from support.mutations import mutations

SOURCE = '''
@dataclass(frozen=True)
class Model:
    limit: float | None = 0.5

def outcome(one: int | str, *others: int, few: int = 1) -> int | None:
    """Return at most 3 of 4."""
    if one < few and not others:
        raise ValueError(f"at least {few + 1} needed")
    for other in others:
        if other is None:
            continue
        one = call(*others, **named) | other // -2
    return one
'''
MUTATED = {
    "limit: float | None = 0.625",
    "limit: float | None = 0.4",
    "def outcome(one: int | str, *others: int, few: int = 2) -> int | None:",
    "def outcome(one: int | str, *others: int, few: int = 0) -> int | None:",
    "if one <= few and not others:",
    "if one >= few and not others:",
    "if one < few or not others:",
    "if one < few and  others:",
    "for other in []:",
    "if other is not None:",
    "break",
    "one = call(*others, **named) & other // -2",
    "one = call(*others, **named) | other / -2",
    "one = call(*others, **named) | other // 2",
    "one = call(*others, **named) | other // -3",
    "one = call(*others, **named) | other // -1",
}


def test_what_is_mutated():
    found = list(mutations(SOURCE))
    assert sorted(each.after for each in found) == sorted(MUTATED)
    for each in found:
        before, after = SOURCE.splitlines(), each.source.splitlines()
        differing = [at for at, lines in enumerate(zip(before, after, strict=True)) if len(set(lines)) == 2]
        assert differing == [each.line - 1]
        assert (before[differing[0]].strip(), after[differing[0]].strip()) == (each.before, each.after)


def test_a_mutation_is_named_by_its_function():
    assert {each.function for each in mutations(SOURCE)} == {"Model", "outcome"}
