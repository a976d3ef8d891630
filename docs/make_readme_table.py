"""Write the table of papers in README.md from the catalogue; ``--check`` only says whether it is up to date."""

from __future__ import annotations

import sys
from pathlib import Path

from hodology.files import read_json, write_text
from hodology.study.catalogue import papers

ROOT = Path(__file__).parents[1]
START, END = "<!-- catalogue -->", "<!-- /catalogue -->"


def main() -> int:
    """Return 0 when the table is (now) up to date."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    after = rest.partition(END)[2]
    wanted = f"{before}{START}\n{_table()}{END}{after}"
    if wanted == text:
        return 0
    if "--check" in sys.argv:
        print("the table in README.md is out of date: make readme", file=sys.stderr)
        return 1
    write_text(readme, wanted)
    return 0


def _table() -> str:
    lines = ["| | paper | wing | state |", "|---:|---|---|---|"]
    for paper in papers():
        lines.append(
            f"| {paper.number} | {paper.title} ({paper.reference}) | {paper.wing} | {_state(paper)} |"
        )
    return "\n".join(lines) + "\n"


def _state(paper: object) -> str:
    """From the record that the package ships, so that the table does not depend on whose machine it is."""
    record = ROOT / "src/hodology/study/published" / f"{paper.slug}-standard.json"  # type: ignore[attr-defined]
    if record.exists():
        return str(read_json(record)["state"])
    return "not built" if paper.module is None else "not run"  # type: ignore[attr-defined]


if __name__ == "__main__":
    raise SystemExit(main())
