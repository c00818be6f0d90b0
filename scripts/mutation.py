"""Changes the code in small ways and counts the changes that the tests notice: ``make mutation``.

For each package a random sample of the places that Cosmic Ray can mutate inside functions is drawn, one mutant a place.
The same seed draws the same places, and a change of other lines changes nothing about it. A mutant is run against the
tests that executed its line (coverage contexts of one plain run), or against the folder of tests that mirrors its own
where none did in this process (the runner, for one, runs in processes of its own).

    python scripts/mutation.py [PACKAGE ...] [--sample 40] [--seed 20261128] [--workers 2] [--only TEXT]

Prints each survivor with its difference, and each package's score. Ends with 1 where a package is below the goal and
the survivors are not all listed, with a reason, in ``docs/decisions/0013-mutation-tests.md``.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from queue import Queue

from cosmic_ray import plugins
from cosmic_ray.commands.init import init
from cosmic_ray.mutating import use_mutation
from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import MutationSpec
from coverage import CoverageData

ROOT = Path(__file__).resolve().parents[1]
REASONS = ROOT / "docs" / "decisions" / "0013-mutation-tests.md"
GOAL = 0.9
# A mutant may loop for ever: its tests get this many times what they took unchanged, and this many seconds more.
PATIENCE, GRACE_S = 4, 60
# A line that hundreds of tests execute is tried against so many of them.
ENOUGH_S = 90.0

# Where a package's code is, and the tests that are to notice changes of it.
PACKAGES = {
    "contract": (["contract"], ["tests/contract"]),
    "jobs": (["crontopus_app/jobs"], ["tests/jobs", "tests/api"]),
    "monitoring": (["crontopus_app/monitoring"], ["tests/monitoring", "tests/api", "tests/jobs"]),
    "hosts": (["crontopus_app/hosts"], ["tests/hosts", "tests/api"]),
    "people": (["crontopus_app/people"], ["tests/people", "tests/api"]),
    "forge": (["crontopus_app/forge/embedded"], ["tests/forge"]),
    "agent": (["agent"], ["tests/agent"]),
}
FAMILIES = (
    "core/AddNot",
    "core/ReplaceAndWithOr",
    "core/ReplaceOrWithAnd",
    "core/ReplaceTrueWithFalse",
    "core/ReplaceFalseWithTrue",
    "core/ReplaceBreakWithContinue",
    "core/ReplaceContinueWithBreak",
    "core/ReplaceComparisonOperator_Eq_NotEq",
    "core/ReplaceComparisonOperator_NotEq_Eq",
    "core/ReplaceComparisonOperator_Is_IsNot",
    "core/ReplaceComparisonOperator_IsNot_Is",
    "core/ReplaceComparisonOperator_Lt_LtE",
    "core/ReplaceComparisonOperator_LtE_Lt",
    "core/ReplaceComparisonOperator_Gt_GtE",
    "core/ReplaceComparisonOperator_GtE_Gt",
    "core/ReplaceUnaryOperator_Delete_Not",
    "core/ReplaceBinaryOperator_Add_Sub",
    "core/ReplaceBinaryOperator_Sub_Add",
    "core/ReplaceBinaryOperator_Mul_Div",
    "core/ReplaceBinaryOperator_Div_Mul",
    "core/NumberReplacer",
    "core/ExceptionReplacer",
    "core/ZeroIterationForLoop",
    "core/RemoveDecorator",
)


@dataclass(frozen=True)
class Mutant:
    """One change of one place, the tests that are to notice it, and how long these take unchanged (seconds)."""

    spec: MutationSpec
    tests: Sequence[str]
    baseline_s: float


@dataclass(frozen=True)
class Baseline:
    """Which tests execute each line, and how long each test takes (seconds)."""

    touched: Mapping[tuple[str, int], set[str]]
    durations: Mapping[str, float]

    def nearest(self, path: str, line: int, own: Sequence[str]) -> list[str]:
        """The tests of this line, the package's own and the fastest first, up to ENOUGH_S."""
        tests = self.touched.get((path, line), set())
        ordered = sorted(tests, key=lambda test: (not test.startswith(tuple(own)), self.durations.get(test, 0.0), test))
        ends = accumulate(self.durations.get(test, 0.0) for test in ordered)
        return [test for test, end in zip(ordered, ends, strict=True) if end <= ENOUGH_S or test == ordered[0]]


@dataclass(frozen=True)
class Outcome:
    mutant: Mutant
    killed: bool
    difference: str


def main() -> int:
    options = _options()
    results = {}
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        trees = [_copy(Path(folder) / str(number)) for number in range(options.workers)]
        names = options.packages or [*PACKAGES]
        baseline = _measure(trees[0], names, options.workers)
        for name in names:
            results[name] = _score(name, trees, baseline, options)
    return _report(results)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="*", choices=[*PACKAGES, []], metavar="PACKAGE")
    parser.add_argument("--sample", type=int, default=40)
    parser.add_argument("--seed", type=int, default=20261128)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default="", help="only the mutants of files whose path has this in it")
    return parser.parse_args()


def _copy(tree: Path) -> Path:
    """The files that Git tracks, as they are in the working tree."""
    for name in _git_files():
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    if (ROOT / ".web").is_dir():
        (tree / ".web").symlink_to(ROOT / ".web")
    return tree


def _git_files() -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()


def _score(name: str, trees: Sequence[Path], baseline: Baseline, options: argparse.Namespace) -> list[Outcome]:
    began = time.monotonic()
    mutants = list(_mutants(trees[0], name, baseline, options))
    free: Queue[Path] = Queue()
    for tree in trees:
        free.put(tree)
    with ThreadPoolExecutor(len(trees)) as pool:
        outcomes = list(pool.map(lambda mutant: _try(mutant, trees[0], free), mutants))
    killed = sum(outcome.killed for outcome in outcomes)
    print(f"{name}: {killed} of {len(outcomes)} killed, {time.monotonic() - began:.0f} s", flush=True)
    return outcomes


def _mutants(tree: Path, name: str, baseline: Baseline, options: argparse.Namespace) -> Iterator[Mutant]:
    """The sample of this package, in a fixed order."""
    sources, tests = PACKAGES[name]
    files = sorted(file for source in sources for file in (tree / source).rglob("*.py"))
    places: dict[tuple[str, tuple[int, int]], list[MutationSpec]] = defaultdict(list)
    for spec in _specs(files):
        places[str(spec.module_path.relative_to(tree)), spec.start_pos].append(spec)
    drawn = sorted(places, key=lambda place: _draw(options.seed, tree, place))[: options.sample]
    picked = [
        (place, min(places[place], key=lambda spec: _number(options.seed, spec.operator_name, spec.operator_args)))
        for place in drawn
    ]
    for (path, (line, _)), spec in sorted(picked, key=lambda each: each[0]):
        if options.only in path:
            chosen = baseline.nearest(path, line, tests) or _mirrored(tree, path, tests)
            needed = sum(took for test, took in baseline.durations.items() if test.startswith(tuple(chosen)))
            yield Mutant(spec, chosen, needed)


def _mirrored(tree: Path, path: str, tests: Sequence[str]) -> Sequence[str]:
    """The folder of tests that mirrors this file's, or all tests of the package."""
    folder = "tests/" + str(Path(path).parent).removeprefix("crontopus_app/")
    return [folder] if (tree / folder).is_dir() else tests


def _draw(seed: int, tree: Path, place: tuple[str, tuple[int, int]]) -> str:
    """A number by lot that stays a place's own for as long as its line reads the same, whatever else changes."""
    path, (line, column) = place
    text = (tree / path).read_text(encoding="utf-8").splitlines()[line - 1]
    return _number(seed, path, text, column)


def _number(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _specs(files: Sequence[Path]) -> Iterator[MutationSpec]:
    """All single mutations inside functions; annotations and log messages are left out: nothing hangs on them."""
    bodies = {file: _lines_of_behaviour(file) for file in files}
    with tempfile.NamedTemporaryFile(suffix=".sqlite") as file, use_db(file.name) as database:
        init(files, database, {})
        for item in database.work_items:
            spec = item.mutations[0]
            if spec.operator_name.startswith(FAMILIES) and bodies[spec.module_path](spec.start_pos):
                yield spec


def _lines_of_behaviour(file: Path) -> Callable[[tuple[int, int]], bool]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    inside: set[int] = set()
    outside: list[tuple[tuple[int, int], tuple[int, int]]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inside.update(range(node.lineno, (node.end_lineno or 0) + 1))
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            outside += [_span(each.annotation) for each in arguments if each.annotation]
            outside += [_span(node.returns)] if node.returns else []
        elif isinstance(node, ast.AnnAssign):
            outside.append(_span(node.annotation))
        elif isinstance(node, ast.Call) and _is_log(node):
            outside.append(_span(node))
    return lambda place: place[0] in inside and not any(begin <= place < end for begin, end in outside)


def _span(node: ast.expr) -> tuple[tuple[int, int], tuple[int, int]]:
    return (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)


def _is_log(call: ast.Call) -> bool:
    function = call.func
    return isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "log"


def _measure(tree: Path, names: Sequence[str], workers: int) -> Baseline:
    """One run of the tests of all packages, unchanged. Ends the program where one of them fails."""
    began = time.monotonic()
    sources = sorted({source for name in names for source in PACKAGES[name][0]})
    tests = sorted({test for name in names for test in PACKAGES[name][1]})
    report = tree / "durations"
    command = [*_pytest(tests), "--cov-context=test", "--cov-report=", "--durations=0", "-vv"]
    command += ["--numprocesses", str(workers), "--dist", "loadfile", *(f"--cov={source}" for source in sources)]
    with report.open("w") as output:
        done = subprocess.run(command, cwd=tree, env=_environment(tree), stdout=output, stderr=subprocess.STDOUT)
    if done.returncode:
        sys.exit(f"the tests fail without a mutant:\n{report.read_text()[-3000:]}")
    print(f"the tests without a mutant: {time.monotonic() - began:.0f} s", flush=True)
    return Baseline(_touched(tree), _durations(report.read_text()))


def _touched(tree: Path) -> dict[tuple[str, int], set[str]]:
    data = CoverageData(str(tree / ".coverage"))
    data.read()
    touched: dict[tuple[str, int], set[str]] = defaultdict(set)
    for file in data.measured_files():
        path = str(Path(file).relative_to(tree.resolve()))
        for line, contexts in data.contexts_by_lineno(file).items():
            touched[path, line] |= {context.split("|")[0] for context in contexts if context}
    return touched


def _durations(report: str) -> dict[str, float]:
    durations: dict[str, float] = defaultdict(float)
    for line in report.splitlines():
        words = line.split(maxsplit=2)
        if len(words) == 3 and words[0].endswith("s") and words[1] in {"call", "setup", "teardown"}:
            durations[words[2]] += float(words[0][:-1])
    return durations


def _pytest(tests: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", *tests]


def _environment(tree: Path) -> dict[str, str]:
    """The copy's modules come first, in child processes too; examples of properties are the same each time."""
    return {**os.environ, "PYTHONPATH": str(tree), "CI": "true", "PYTHONDONTWRITEBYTECODE": "1"}


def _try(mutant: Mutant, original: Path, free: Queue[Path]) -> Outcome:
    tree = free.get()
    try:
        file = tree / mutant.spec.module_path.relative_to(original)
        operator = plugins.get_operator(mutant.spec.operator_name)(**mutant.spec.operator_args)
        with use_mutation(file, operator, mutant.spec.occurrence) as (before, after):
            killed = not _pass(mutant, tree)
        return Outcome(mutant, killed, _difference(before, after or before, str(file.relative_to(tree))))
    finally:
        free.put(tree)


def _pass(mutant: Mutant, tree: Path) -> bool:
    """Whether the tests end well, in time."""
    with _running(_pytest(mutant.tests), tree) as process:
        try:
            return process.wait(mutant.baseline_s * PATIENCE + GRACE_S) == 0
        except subprocess.TimeoutExpired:
            return False


@contextmanager
def _running(command: list[str], tree: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The command in a process group of its own, of which nothing is left at the end."""
    process = subprocess.Popen(
        command,
        cwd=tree,
        env=_environment(tree),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _difference(before: str, after: str, name: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), name, name, lineterm="", n=1)
    return "\n".join(lines)


def _report(results: dict[str, list[Outcome]]) -> int:
    reasons = REASONS.read_text(encoding="utf-8") if REASONS.exists() else ""
    missed = []
    for name, outcomes in results.items():
        survivors = [outcome for outcome in outcomes if not outcome.killed]
        for each in survivors:
            print(f"\nsurvived in {name}:\n{each.difference}")
        score = 1 - len(survivors) / max(1, len(outcomes))
        unexplained = [each for each in survivors if _name(each) not in reasons]
        if score < GOAL and unexplained:
            missed.append(name)
    print("\npackage        mutants  killed  score")
    for name, outcomes in results.items():
        killed = sum(outcome.killed for outcome in outcomes)
        print(f"{name:15}{len(outcomes):7}{killed:8}{killed / max(1, len(outcomes)):7.0%}")
    return 1 if missed else 0


def _name(outcome: Outcome) -> str:
    """How a survivor is named in the reasons: its file and the line as it is without the mutant."""
    removed = [line[1:].strip() for line in outcome.difference.splitlines()[2:] if line.startswith("-")]
    return removed[0] if removed else outcome.difference


if __name__ == "__main__":
    sys.exit(main())
