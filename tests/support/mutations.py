"""Mutations of a module's source: one changed comparison, operator, number, condition, loop or exception each.

The operators are cosmic-ray's. Left out are annotations, decorators, the texts of raised errors, and what any test
would catch, such as ``<<`` for ``+``.
"""

import ast
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import parso.python.tree
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.ast.ast_query import ASTQuery
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.boolean_replacer import AddNot
from cosmic_ray.operators.number_replacer import OFFSETS, NumberReplacer
from cosmic_ray.plugins import get_operator

SCALES = (1.25, 0.8)  # factors by which a fraction changes; an integer changes by one
BINARY = "Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Div Mod_FloorDiv Pow_Mul BitOr_BitAnd BitAnd_BitOr BitXor_BitAnd"
COMPARISONS = "Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt Eq_NotEq NotEq_Eq Is_IsNot IsNot_Is"
OTHERS = (
    "AddNot ReplaceTrueWithFalse ReplaceFalseWithTrue ReplaceAndWithOr ReplaceOrWithAnd ReplaceBreakWithContinue "
    "ReplaceContinueWithBreak ExceptionReplacer ZeroIterationForLoop ReplaceUnaryOperator_Delete_USub "
    "ReplaceUnaryOperator_Delete_Invert ReplaceUnaryOperator_Delete_Not"
)
BINARY_EXPRESSIONS = {"arith_expr", "term", "power", "expr", "and_expr", "xor_expr"}  # elsewhere * and ** unpack


@dataclass(frozen=True)
class Mutation:
    """A changed line of a module, and the module's whole source with it."""

    line: int
    function: str
    before: str
    after: str
    source: str


class Numbers(NumberReplacer):
    """Replaces fractions by nearby ones, where cosmic-ray adds and subtracts one."""

    def mutate(self, node: Any, index: int) -> Any:
        value = ast.literal_eval(node.value)
        is_fraction = isinstance(value, float) and value != 0
        changed = f"{value * SCALES[index]:.12g}" if is_fraction else str(value + OFFSETS[index])
        return parso.python.tree.Number(changed, node.start_pos, node.prefix)


def mutations(source: str) -> Iterator[Mutation]:
    """Yield all mutations of a module."""
    names = [f"ReplaceBinaryOperator_{name}" for name in BINARY.split()]
    names += [f"ReplaceComparisonOperator_{name}" for name in COMPARISONS.split()] + OTHERS.split()
    lines = source.splitlines()
    for operator in (*(get_operator(f"core/{name}")() for name in names), Numbers()):
        sites = (node for node in ast_nodes(get_ast(source)) for _ in operator.mutation_positions(node))
        for occurrence, node in enumerate(sites):
            if _is_left_out(node) or (isinstance(operator, AddNot) and _is_negated_elsewhere(node)):
                continue
            mutated = mutate_code(source, operator, occurrence)
            if not _is_valid(mutated):
                continue
            changed = mutated.splitlines()
            line = next(at for at, (old, new) in enumerate(zip(lines, changed, strict=False)) if old != new)
            function = ASTQuery(node).get_definition_name() or ""
            yield Mutation(line + 1, function, lines[line].strip(), changed[line].strip(), mutated)


def _is_valid(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def _is_left_out(node: Any) -> bool:
    """Return whether a mutation here says nothing: in an annotation, a decorator, an error's text, or no operation."""
    if node.type == "operator" and node.parent.type not in BINARY_EXPRESSIONS:
        return True
    for inner, outer in itertools.pairwise(_upwards(node)):
        if outer.type in {"decorator", "tfpdef", "raise_stmt"}:
            return True
        if outer.type == "annassign" and inner is outer.children[1]:
            return True
        if outer.type == "funcdef" and inner is outer.annotation:
            return True
    return False


def _is_negated_elsewhere(condition: Any) -> bool:
    """Return whether other operators change a condition; before ``a or b``, ``not`` would negate ``a`` alone."""
    tested = condition.children[2 if condition.type == "test" else 1]
    return tested.type in {"comparison", "not_test", "and_test", "or_test"}


def _upwards(node: Any) -> Iterator[Any]:
    """Yield a node of the syntax tree and all that contain it."""
    while node is not None:
        yield node
        node = node.parent
