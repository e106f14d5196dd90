"""The pages of the model zoo: a table for each task, and what recipes say of it."""

from collections.abc import Mapping
from itertools import groupby

from docs.builder.zoo import URL, Entry, read_counts, zoo
from hrnet_tf.checkpoints.published import Published

MILLION, BILLION = 10**6, 10**9
WIDE = "---\nhide: [toc]\n---\n"  # a page's head: tables get the place of its contents


def make() -> Mapping[str, str]:
    """A page for each task, and a table of them."""
    counts = read_counts()
    pages = {}
    rows = ["| Task | Published recipes | For data of your own |", "|---|---|---|"]
    for task, group in groupby(zoo(), lambda entry: entry.task):
        entries = list(group)
        recipes = [entry for entry in entries if entry.network]
        others = [entry for entry in entries if not entry.network]
        names = ", ".join(f"`{entry.name}`" for entry in others)
        rows.append(f"| [{task}](zoo/{task}.md) | {len(recipes)} | {names} |")
        pages[f"zoo/{task}.md"] = page(task, recipes, others, counts)
    return {"": "\n".join(rows), **pages}


def page(
    task: str,
    recipes: list[Entry],
    others: list[Entry],
    counts: Mapping[str, Mapping[str, int]],
) -> str:
    """The page of a task.

    Args:
        task: its name.
        recipes: for published data.
        others: for data of one's own.
        counts: of the networks of the recipes, by `Entry.network`.
    """
    lines = [WIDE, f"# Model zoo: `{task}`", ""]
    if recipes:
        lines += [
            "| Recipe | Parameters | Multiply-adds | Published score | Weights |",
            "|---|---|---|---|---|",
            *(f"| {' | '.join(_cells(entry, counts))} |" for entry in recipes),
            "",
        ]
    for entry in (*recipes, *others):
        lines += [f"## {_short(entry)}", "", *_told(entry)]
    return "\n".join(lines)


def weights_table(rows: tuple[Published, ...]) -> str:
    """Published weights, a row each."""
    lines = ["| Name | Network | Score on its page | Licence |", "|---|---|---|---|"]
    for row in rows:
        network = f"`{row.model}({_quoted(row.width)})`"
        where = "" if row.url else " (downloaded by hand)"
        name = f"`{row.name}`{where}"
        lines.append(
            f"| {name} | {network} | [{row.score}]({row.page}) | {row.license} |"
        )
    return "\n".join(lines)


def _cells(entry: Entry, counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    found = counts.get(entry.network)
    sizes = ["not counted", "not counted"]
    if found:
        sizes = [
            f"{found['parameters'] / MILLION:.1f} M",
            f"{found['multiply_adds'] / BILLION:.2f} G",
        ]
    source = URL.search(entry.head.source)
    score = entry.head.expected or entry.head.more
    if source:
        score += f" [Source]({source[0]})"
    weights = ", ".join(f"`{x.name}` ({x.license})" for x in entry.weights)
    link = f"[{_short(entry)}](#{_short(entry)})"
    return [link, *sizes, score.replace("|", "&#124;"), weights or "—"]


def _told(entry: Entry) -> list[str]:
    """What a configuration says of itself."""
    head = entry.head
    words = [entry.purpose if not head.more.startswith(entry.purpose) else ""]
    words.append(head.more)
    if head.expected:
        words.append(f"Expected: {head.expected}")
    if head.source:
        words.append(f"Source: {head.source}")
    if entry.weights:
        network = f"{entry.weights[0].model}({_quoted(entry.weights[0].width)}"
        calls = ", ".join(f'`{network}, weights="{x.name}")`' for x in entry.weights)
        words.append(f"Published weights: {calls}.")
    commands = "\n".join(head.commands) or f"hrnet-tf train {entry.name}"
    told = [f"```\n{commands}\n```", *(word for word in words if word)]
    return [line for each in told for line in (each, "")]


def _short(entry: Entry) -> str:
    return entry.name.partition("/")[2]


def _quoted(width: int | str) -> str:
    return repr(width).replace("'", '"')
