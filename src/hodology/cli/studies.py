"""``hodology list | show | run | report``: the studies of the catalogue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["list_papers", "report", "run", "show"]

_JSON = typer.Option("--json", help="Print JSON.")


def list_papers(as_json: Annotated[bool, _JSON] = False) -> None:
    """List all 45 papers: number, slug, title, wing and what was found."""
    from hodology.study.catalogue import papers, state_of

    rows = [
        {"number": p.number, "slug": p.slug, "title": p.title, "wing": p.wing, "state": state_of(p)}
        for p in papers()
    ]
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    wide = max(len(str(row["slug"])) for row in rows)
    for row in rows:
        print(
            f"{row['number']:2d}  {row['slug']:{wide}}  {row['wing']:11}  {row['state']:14}  {row['title']}"
        )


def show(
    slug: Annotated[str, typer.Argument(help="Slug or number of a paper.")],
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Say what a study asks and what it found."""
    from dataclasses import asdict

    from hodology.study.catalogue import find_paper, find_record, state_of

    paper = find_paper(slug)
    record = find_record(paper.slug)
    if as_json:
        print(
            json.dumps(
                {**asdict(paper), "state": state_of(paper), "record": record}, ensure_ascii=False, indent=1
            )
        )
        return
    print(
        f"{paper.number:02d} {paper.title}\n   {paper.reference}\n   wing: {paper.wing}, state: {state_of(paper)}"
    )
    print(f"\n{paper.question}")
    if record is None:
        return
    seeds = len(record["seeds"])
    print(
        f"\nMeasured with size {record['size']} over {seeds} seeds, hodology {record['versions']['hodology']}:"
    )
    for claim in record["claims"]:
        print(f"\n  {_claim_line(claim)}")
        print(f"      paper: {claim['paper']}")
        if claim["note"]:
            print(f"      {claim['note']}")
    for note in record["notes"]:
        print(f"\n  {note}")


def run(
    slugs: Annotated[list[str] | None, typer.Argument(help="Slugs or numbers of studies.")] = None,
    all_studies: Annotated[bool, typer.Option("--all", help="Every study that is built.")] = False,
    size: Annotated[str, typer.Option("--size", help="quick or standard.")] = "standard",
    seeds: Annotated[
        int | None, typer.Option("--seeds", help="Number of seeds; default 3 quick, 5 standard.")
    ] = None,
    data: Annotated[str | None, typer.Option("--data", "-d", help="Folder with the real data set.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Results store; default the user's.")
    ] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", help="Processes; default one per core.")] = None,
    as_json: Annotated[bool, _JSON] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")] = False,
) -> None:
    """Run studies; exit code 0 when all claims hold, 1 when some do not or are undecided, 2 on misuse.

    With --all, a study that needs a package which is not installed is passed over and said to be.
    """
    import os
    import sys

    from hodology.cli.progress import progress_bar
    from hodology.errors import InputError, MissingExtraError
    from hodology.files import results_dir
    from hodology.study.catalogue import find_paper, papers
    from hodology.study.runner import check_built, run_study
    from hodology.work import make_engine

    if bool(slugs) == all_studies:
        raise InputError("name studies, or pass --all (not both); 'hodology list' shows them.")
    jobs = (os.cpu_count() or 1) if jobs is None else jobs
    chosen = [p for p in papers() if p.module] if all_studies else [find_paper(slug) for slug in slugs or []]
    for paper in chosen:
        check_built(paper)
    folder = out or results_dir()
    engine = make_engine("process", jobs=jobs, threads=1)
    states = []
    for paper in chosen:
        try:
            with progress_bar(f"{paper.slug}, seeds", quiet=quiet) as bar:
                record = run_study(
                    paper,
                    size=size,  # type: ignore[arg-type]
                    seeds=seeds,
                    data=data,
                    folder=folder,
                    engine=engine,
                    on_start=bar.start,
                    on_seed=lambda bar=bar: bar.advance(1),  # type: ignore[misc]
                )
        except MissingExtraError as error:
            if not all_studies:
                raise
            print(f"{paper.slug}: not run, {error}", file=sys.stderr)
            states.append("not run")
            continue
        states.append(record["state"])
        _print_record(record, as_json=as_json)
    page = _write_report(folder)
    if not as_json:
        print(f"\nReport: {page.resolve()}")
    raise typer.Exit(0 if all(state == "holds" for state in states) else 1)


def report(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Results store; default the user's.")
    ] = None,
) -> None:
    """Write the atlas: one offline page of all papers, and one per study that was run."""
    from hodology.files import results_dir

    print(_write_report(out or results_dir()).resolve())


def _write_report(folder: Path) -> Path:
    from dataclasses import asdict

    from hodology.files import read_json
    from hodology.report import write_atlas
    from hodology.study.catalogue import find_record, papers, state_of

    records: dict[str, Any] = {}
    for paper in papers():
        files = [folder / f"{paper.slug}-{size}.json" for size in ("standard", "quick")]
        record = next((read_json(f) for f in files if f.exists()), None) or find_record(paper.slug)
        if record is not None:
            records[paper.slug] = record
    catalogue = [
        {**asdict(p), "state": records[p.slug]["state"] if p.slug in records else state_of(p)}
        for p in papers()
    ]
    return write_atlas(catalogue, records, folder / "report")


def _print_record(record: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        keys = ("slug", "size", "seeds", "versions", "seconds", "claims", "state", "commit")
        print(json.dumps({key: record[key] for key in keys}, ensure_ascii=False))
        return
    print(
        f"{record['slug']} ({record['size']}, {len(record['seeds'])} seeds, {record['seconds']} s): {record['state']}"
    )
    for claim in record["claims"]:
        print(f"  {_claim_line(claim)}")


def _claim_line(claim: dict[str, Any]) -> str:
    interval = claim["interval"]
    shown = f" [{interval[0]:.3g}, {interval[1]:.3g}]" if interval else ""
    unit = f" {claim['unit']}" if claim["unit"] else ""
    return f"{claim['verdict']:13} {claim['claim']}: {claim['measured']:.3g}{shown}{unit} (must be {claim['rule']})"
