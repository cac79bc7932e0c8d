"""The command `isodose`: decide at a terminal, load data, start services, look after a running platform."""

from __future__ import annotations

import typer

from all_in_one.commands import data, from_ehr, jobs, over_time, starting, subscriptions, upkeep, write_back

app = typer.Typer(
    help="Isodose: decision support for stereotactic radiosurgery of brain metastases.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("assess")(data.assess_bundle)
app.command("load")(data.load)
app.command("pull")(from_ehr.pull_patients)
app.command("bulk-pull")(from_ehr.bulk_pull)
app.command("up")(starting.up)
app.command("demo")(starting.demo)
app.command("serve")(starting.serve)
app.command("day")(upkeep.day)
app.command("migrate")(upkeep.migrate)
app.command("rebuild")(upkeep.rebuild_service)
app.command("replay")(over_time.replay_knowledge)
app.command("explain")(over_time.explain_result)
app.command("reindex")(upkeep.reindex_service)
app.command("prune")(upkeep.prune_results)
app.command("erase")(upkeep.erase_patient)
app.command("audit")(upkeep.verify_audit)
app.command("retire-audit")(upkeep.retire_audit)

topics = typer.Typer(help="The topics of the event log.", no_args_is_help=True)
topics.callback()(lambda: None)
topics.command("apply")(upkeep.apply_topics)
app.add_typer(topics, name="topics")

dead_letters = typer.Typer(help="Events set aside after every attempt to handle them failed.")
dead_letters.command("list")(upkeep.list_dead_letters)
dead_letters.command("replay")(upkeep.replay_dead_letters)
app.add_typer(dead_letters, name="dead-letters")

left = typer.Typer(help="What was to be done at other systems and was set aside.")
left.command("list")(jobs.list_jobs)
left.command("retry")(jobs.retry_jobs)
left.command("dismiss")(jobs.dismiss_job)
app.add_typer(left, name="jobs")

told = typer.Typer(help="Subscriptions at the EHR, by which it tells Isodose what changed.")
told.command("create")(subscriptions.create)
told.command("renew")(subscriptions.renew)
told.command("list")(subscriptions.list_subscriptions)
told.command("remove")(subscriptions.remove)
app.add_typer(told, name="subscriptions")

written = typer.Typer(help="Results that are written to the EHR.")
written.command("list")(write_back.list_unsettled)
written.command("settle")(write_back.settle)
written.command("all")(write_back.everything)
app.add_typer(written, name="write-back")
