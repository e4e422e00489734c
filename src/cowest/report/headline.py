"""The headline of a run: does the pair beat each model alone, by how much, and at what cost?"""

from cowest import words
from cowest.method_names import STRONG_ONLY, WEAK_ONLY, label
from cowest.records import Comparison, EvaluationResults
from cowest.statistics import BETTER, NOT_SHOWN, WORSE, Verdict

SINGLES = (STRONG_ONLY, WEAK_ONLY)


def headline(results: EvaluationResults) -> str:
    """One plain sentence about the pair, or about the best method where the pair was not evaluated."""
    metric = results.headline_metric
    scored = {name: row.metrics[metric] for name, row in results.methods.items() if metric in row.metrics}
    if not scored:
        return "The evaluation holds no scores yet."
    subject = results.pair if results.pair in scored else max(scored, key=lambda name: scored[name].value)
    value = scored[subject]
    who = "Together the two models reach" if subject == results.pair else f"{label(subject)} reaches"
    sentence = f"{who} {words.percent(value.value)} {metric.replace('_', ' ')} {words.interval(value.ci95)}".rstrip()
    if results.pair is None and not any(single in results.methods for single in SINGLES):
        return f"{sentence}."  # names of the caller's own, of which it is not known what they are
    if subject != results.pair:
        return f"{sentence}; the pair {'gave no answer at all' if results.pair else 'was not evaluated'}."
    clauses = [_clause(results, single) for single in SINGLES if single in scored and single != subject]
    if clauses:
        sentence += ": " + " and ".join(clauses)
    return f"{sentence}{_cost_text(results, subject)}."


def verdict(results: EvaluationResults) -> Verdict:
    """ "better" where the pair beats each model alone, "worse" where either beats it, else "no difference shown"."""
    pair = results.pair
    comparisons = [results.compare(pair, single) for single in SINGLES if pair and single in results.methods]
    verdicts = [each.verdict for each in comparisons if each is not None]
    if WORSE in verdicts:
        return WORSE
    return BETTER if verdicts and len(verdicts) == len(comparisons) and set(verdicts) == {BETTER} else NOT_SHOWN


def _clause(results: EvaluationResults, single: str) -> str:
    assert results.pair is not None
    alone = results.methods[single].metrics[results.headline_metric]
    who = f"the {label(single).lower()} ({words.percent(alone.value)})"
    comparison = results.compare(results.pair, single)
    if comparison is None:
        return f"{who} was not compared with it"
    return f"{_difference_text(comparison)} {who}"


def _difference_text(comparison: Comparison) -> str:
    size = f"{words.percent(abs(comparison.difference)).removesuffix('%')} points"
    bounds = comparison.ci95 if comparison.verdict != WORSE else comparison.turned().ci95
    if comparison.verdict == NOT_SHOWN:
        return f"not clearly different ({words.points(comparison.difference)} {words.interval(bounds)}) from"
    return f"{size} {words.interval(bounds)} {'more' if comparison.verdict == BETTER else 'less'} than"


def _cost_text(results: EvaluationResults, subject: str) -> str:
    cost, alone = results.cost_per_query(subject), results.cost_per_query(STRONG_ONLY)
    if cost is None:
        return ", at an unknown cost"
    if cost == 0:
        return ", at no cost a query"
    against = f" (strong model alone: {words.money(alone)})" if alone is not None else ""
    return f", at {words.money(cost)} a query{against}"
