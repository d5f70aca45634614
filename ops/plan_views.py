"""A plan for a terminal and for a pull request."""

from __future__ import annotations

from bisect import bisect_left

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from agent.consequences import MANNERS
from ops.plan import ComponentPlan, FileChange, Plan

COMMENT_LIMIT = 65_000
"""Characters that a comment on a pull request may have."""

MARKER = "<!-- maas-ha plan {stack} -->"
"""First line of the comment, by which the next run finds and replaces it."""

STYLES = {"+": "green", "-": "red", "@": "cyan"}


def show(plan: Plan, console: Console) -> None:
    """The whole plan, coloured where the terminal is."""
    console.print(f"[bold]{escape(plan.stack)}[/]: {escape(plan.summary)} [dim](digest {plan.digest})[/]")
    for host in plan.hosts:
        console.print(f"\n[bold]{escape(host.host)}[/]")
        for component in host.components:
            console.print(f"  {escape(headline(component))}")
            for line in details(component):
                console.print(f"    {escape(line)}")
            for file in component.files:
                console.print(f"    {escape(file.path)}: {escape(file.effect)}")
                for line in file.diff.splitlines()[2:]:
                    console.print(Text(f"      {line}", STYLES.get(line[:1], "")))


def headline(component: ComponentPlan) -> str:
    """`update region1-region: restart maas-regiond.service`, `drain first: …` or `failover: …`."""
    words = {"create": "installed and started", "delete": "stopped and removed", "replace": "made anew"}
    perhaps = f"perhaps {', '.join(component.perhaps)}" if component.perhaps else "nothing is reloaded or restarted"
    felt = ", ".join(component.effects) or words.get(component.operation, perhaps)
    manner = component.consequence in MANNERS
    said = f"{component.consequence.value}: {felt}" if manner else felt
    return f"{component.operation} {component.component}: {said}"


def details(component: ComponentPlan) -> list[str]:
    """What is in no file."""
    packages = [f"packages: {' '.join(component.packages)}"] if component.packages else []
    return [*packages, *component.settings, *([f"changed ({component.secret})"] if component.secret else [])]


def markdown(plan: Plan, limit: int = COMMENT_LIMIT) -> str:
    """The plan as a comment: consequences open, texts folded; the longest texts go first where it is too long."""
    by_length = sorted(_files(plan), key=lambda found: len(found[1].diff), reverse=True)
    longest = [(component.component, file.path) for component, file in by_length]
    counts = range(len(longest) + 1)
    fewest = bisect_left(counts, True, key=lambda count: len(_markdown(plan, set(longest[:count]))) <= limit)
    text = _markdown(plan, set(longest[:fewest]))
    if len(text) <= limit:
        return text
    note = "\n\n… the rest is too long for a comment: run `maas-ha plan`."
    return text[: limit - len(note)].rsplit("\n", 1)[0] + note


def _files(plan: Plan) -> list[tuple[ComponentPlan, FileChange]]:
    return [(part, file) for host in plan.hosts for part in host.components for file in part.files]


def _markdown(plan: Plan, left_out: set[tuple[str, str]]) -> str:
    lines = [MARKER.format(stack=plan.stack), f"### {plan.stack}: {plan.summary}", "", f"Digest: `{plan.digest}`"]
    for host in plan.hosts:
        lines += ["", f"**{host.host}**", ""]
        for component in host.components:
            lines.append(f"- {headline(component)}")
            lines += [f"  - {line}" for line in details(component)]
            for file in component.files:
                lines += _folded(file, whole=(component.component, file.path) not in left_out)
    return "\n".join(lines) + "\n"


def _folded(file: FileChange, *, whole: bool) -> list[str]:
    count = len(file.diff.splitlines())
    if not whole:
        return [f"  - `{file.path}` ({file.effect}): {count} lines, too long for a comment: run `maas-ha plan`"]
    fence = "`" * max(3, _longest_run(file.diff) + 1)
    body = [f"  {line}" for line in file.diff.splitlines()]
    head = f"  <details><summary><code>{file.path}</code>: {file.effect}</summary>"
    return [head, "", f"  {fence}diff", *body, f"  {fence}", "", "  </details>"]


def _longest_run(text: str) -> int:
    """The longest run of backticks in `text`."""
    longest = run = 0
    for letter in text:
        run = run + 1 if letter == "`" else 0
        longest = max(longest, run)
    return longest
