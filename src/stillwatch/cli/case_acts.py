"""The acts of ``stillwatch case``, each with who and why."""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from stillwatch.cases import desk as cases
from stillwatch.cases.desk import Act, Store, open_store
from stillwatch.cli.shared import JsonFlag, guarded, say
from stillwatch.errors import UsageError
from stillwatch.report.load import load
from stillwatch.schema import VERDICT
from stillwatch.settings import cases_path

__all__ = ["Case", "StoreFile", "add_to", "opened_store"]

_INSTEAD = tuple(verdict for verdict in VERDICT if verdict != "distillation")

StoreFile = Annotated[Path | None, typer.Option("--store", dir_okay=False, help="Case store; by default"
                                                " STILLWATCH_CASES_FILE, or cases.db in your data folder.")]
By = Annotated[str | None, typer.Option("--by", help="Who does this; by default your login name.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept for good. No prompts, no secrets.")]
Case = Annotated[str, typer.Argument(metavar="CASE", help="Number of a case, or a campaign_id that has one.")]
Accounts = Annotated[list[str], typer.Argument(metavar="ACCOUNT...", help="Accounts of the case.")]
Findings = Annotated[Path, typer.Argument(metavar="FINDINGS", help="A findings folder.")]
FromFindings = Annotated[Path | None, typer.Option("--findings", file_okay=False, help="Findings folder whose campaign"
                                                   " CASE is: opens a case first where there is none.")]


def opened_store(path: Path | None, *, create: bool = False) -> Store:
    """The case store that is asked for, or the user's."""
    return open_store(path or cases_path(), create=create)


def _act(by: str | None, reason: str) -> Act:
    if by is None:
        try:
            by = getpass.getuser()
        except (KeyError, OSError) as error:
            raise UsageError("it is not known who you are", remedy="give --by NAME") from error
    return Act(by, reason)


def _read(findings: Path) -> tuple[Mapping[str, Any], str | None, str | None]:
    """The tables of a findings folder, the fingerprint of the key that they were written under, and the version."""
    found = load(findings)
    return found.tables, found.summary.text("key_fingerprint"), found.summary.text("version")


def _store_for(store: Path | None, findings: Path | None, named: str, act: Act) -> tuple[Store, str]:
    """The store and the case, opened from the findings first where they are given."""
    opened = opened_store(store, create=findings is not None)
    if findings is None:
        return opened, named
    return opened, str(cases.open_case(opened, cases.see(*_read(findings), named), act).case_id)


def _accounts(accounts: list[str]) -> str:
    return f"{len(set(accounts)):,} account{'' if len(set(accounts)) == 1 else 's'}"


def _said(text: str, as_json: bool, **data: Any) -> None:
    if as_json:
        typer.echo(json.dumps(data, sort_keys=True, allow_nan=False))
    else:
        say(text)


@guarded
def open_(findings: Findings,
          campaigns: Annotated[list[str], typer.Argument(metavar="CAMPAIGN...", help="campaign_id of each, or how it"
                                                         " begins.")],
          reason: Reason, by: By = None, store: StoreFile = None, as_json: JsonFlag = False) -> None:
    """Open a case from each campaign, all or none; one that is a known case is added to that case.

    A dismissed case opens again only where there is new evidence, which is named.

    Example:

      stillwatch case open findings 1b97cbfa8acecf25 --reason 'first look'
    """
    act, read = _act(by, reason), _read(findings)
    seen = [cases.see(*read, campaign) for campaign in campaigns]
    opened = opened_store(store, create=True)
    told = cases.open_cases(opened, seen, act)
    words = {"open": "opened", "see": "known already, seen again", "reopen": "opened again"}
    for one in told if not as_json else ():
        say(f"Case {one.case_id}: {words[one.outcome]}{': ' if one.news else ''}{'; '.join(one.news)}")
    if as_json:
        typer.echo(json.dumps([{"case_id": one.case_id, "outcome": one.outcome, "new_evidence": list(one.news)}
                               for one in told]))


@guarded
def confirm(named: Case, reason: Reason, by: By = None, findings: FromFindings = None, store: StoreFile = None,
            as_json: JsonFlag = False) -> None:
    """Decide that the claim is right. Nothing follows by itself: whatever is done about it, people do.

    Examples:

      stillwatch case confirm 7 --by 'R. Analyst' --reason 'the payer admitted it'

      stillwatch case confirm 1b97cbfa8acecf25 --findings findings --reason 'the payer admitted it'
    """
    act = _act(by, reason)
    number = cases.confirm(*_store_for(store, findings, named, act), act)
    _said(f"Case {number}: confirmed", as_json, case_id=number, state="confirmed")


@guarded
def dismiss(named: Case, reason: Reason,
            verdict: Annotated[str | None, typer.Option("--as", help="What the group is instead:"
                                                        f" {', '.join(_INSTEAD)}."
                                                        )] = None,
            by: By = None, findings: FromFindings = None, store: StoreFile = None, as_json: JsonFlag = False) -> None:
    """Decide that the claim is wrong: scans with --cases keep the group cleared unless there is new evidence.

    Example:

      stillwatch case dismiss 7 --as education --reason 'a course of 41 students; the teacher confirmed it'
    """
    if verdict is not None and verdict not in VERDICT:
        raise UsageError(f"{verdict[:40]!r} is no verdict", remedy=f"use one of: {', '.join(_INSTEAD)}")
    act = _act(by, reason)
    number = cases.dismiss(*_store_for(store, findings, named, act), act, verdict)
    _said(f"Case {number}: dismissed", as_json, case_id=number, state="dismissed", verdict=verdict)


@guarded
def split(named: Case, accounts: Accounts, reason: Reason, by: By = None, store: StoreFile = None,
          as_json: JsonFlag = False) -> None:
    """Take accounts out of a case into an open one of their own; scans then keep the two apart.

    Example:

      stillwatch case split 7 acct_1 acct_2 acct_3 --reason 'customers of a relay'
    """
    number = cases.split(opened_store(store), named, accounts, _act(by, reason))
    _said(f"Case {number}: opened with {_accounts(accounts)}", as_json, case_id=number)


@guarded
def merge(named: Case,
          others: Annotated[list[str], typer.Argument(metavar="OTHER...", help="Cases that become part of CASE.")],
          reason: Reason, by: By = None, store: StoreFile = None, as_json: JsonFlag = False) -> None:
    """Join other undecided cases to one.

    Example:

      stillwatch case merge 7 9 12 --reason 'one payer behind all three'
    """
    number = cases.merge(opened_store(store), named, others, _act(by, reason))
    _said(f"Case {number}: joined with {len(set(others)):,} other{'' if len(set(others)) == 1 else 's'}", as_json,
          case_id=number)


@guarded
def remove_account(named: Case, accounts: Accounts, reason: Reason,
                   undo: Annotated[bool, typer.Option("--undo", help="Put them back.")] = False,
                   by: By = None, store: StoreFile = None, as_json: JsonFlag = False) -> None:
    """Take accounts out of a case: scans with --cases leave them out of the group.

    Example:

      stillwatch case remove-account 7 acct_42 --reason 'a stolen key; its owner reported it'
    """
    change = cases.restore_account if undo else cases.remove_account
    number = change(opened_store(store), named, accounts, _act(by, reason))
    _said(f"Case {number}: {_accounts(accounts)} {'put back' if undo else 'taken out'}", as_json,
          case_id=number, accounts=sorted(set(accounts)), removed=not undo)


@guarded
def note(named: Case, text: Annotated[str, typer.Argument(help="What to remember. No prompts, no secrets.")],
         by: By = None, findings: FromFindings = None, store: StoreFile = None, as_json: JsonFlag = False) -> None:
    """Write something down in a case's history.

    Example:

      stillwatch case note 7 'asked the customer on Monday'
    """
    act = _act(by, text)
    number = cases.note(*_store_for(store, findings, named, act), act)
    _said(f"Case {number}: noted", as_json, case_id=number)


@guarded
def appeal(named: Case, reason: Reason,
           evidence: Annotated[str | None, typer.Option("--new-evidence", help="What is new; needed to contest a"
                                                        " dismissal.")] = None,
           by: By = None, store: StoreFile = None, as_json: JsonFlag = False) -> None:
    """Contest a decision: it is no longer in force, and somebody has to decide again.

    What was confirmed may be contested by anybody, and somebody else must decide; what was dismissed stands unless
    there is new evidence.

    Example:

      stillwatch case appeal 7 --by 'account owner' --reason 'the key was stolen, police report attached'
    """
    number = cases.appeal(opened_store(store), named, _act(by, reason), evidence)
    _said(f"Case {number}: appealed, to be decided again", as_json, case_id=number, state="appealed")


@guarded
def audit_sample(findings: Findings, reason: Reason,
                 size: Annotated[int, typer.Option(min=1, max=100_000, help="How many.")],
                 seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of the draw.")],
                 by: By = None, store: StoreFile = None, as_json: JsonFlag = False) -> None:
    """Draw groups for review by chance, among all linked groups whatever their score, and open a case for each.

    Cases chosen by a score say little about the others: a sample is what makes error rates of a deployment known.

    Example:

      stillwatch case audit-sample findings --size 20 --seed 7 --reason 'third quarter'
    """
    told = cases.audit_sample(opened_store(store, create=True), *_read(findings), _act(by, reason), size=size,
                              seed=seed)
    _said(f"Drawn for review: {', '.join(f'case {one.case_id}' for one in told)}", as_json,
          cases=[one.case_id for one in told], seed=seed)


@guarded
def erase(account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Account id.")], reason: Reason,
          by: By = None, store: StoreFile = None, as_json: JsonFlag = False) -> None:
    """Erase an account from the store, reasons and notes included. Decisions stay, about nobody that could be told.

    Findings folders and logs are not touched.

    Example:

      stillwatch case erase acct_42 --reason 'its owner left and asked for it'
    """
    told = cases.erase(opened_store(store), account, _act(by, reason))
    if not told["complete"]:
        say("Another process is using the store, so old pages are still in its log: run the command again later,"
            " or end that process", style="yellow")
    _said(f"Erased; {told['texts_changed']:,} texts changed", as_json, **told)


def add_to(app: typer.Typer) -> None:
    """Add the acts to the command."""
    for name, run in (("open", open_), ("confirm", confirm), ("dismiss", dismiss), ("split", split),
                      ("merge", merge), ("remove-account", remove_account), ("note", note), ("appeal", appeal),
                      ("audit-sample", audit_sample), ("erase", erase)):
        app.command(name, no_args_is_help=True)(run)
