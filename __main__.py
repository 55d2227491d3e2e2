"""synology-https: the stack, as a table of contents."""

import json
from pathlib import Path

import pulumi
import pulumi_aws as aws

from infrastructure.alarms import Alarms, AlarmsArgs
from infrastructure.budget import Budget, BudgetArgs
from infrastructure.bundle import build_bundle, lambda_platform
from infrastructure.dashboard import Dashboard, DashboardArgs, dashboard_title
from infrastructure.hosted_zones import HostedZones, HostedZonesArgs
from infrastructure.metrics import nas_namespace, renewer_namespace
from infrastructure.nas_access import NasAccess, NasAccessArgs, nas_tag, secret_tags
from infrastructure.nas_records import NasRecords, NasRecordsArgs, RecordInTheWayError, replaced_records
from infrastructure.notices import Notices, NoticesArgs
from infrastructure.outputs import agent_config, nas_url, next_step
from infrastructure.renewal import Renewal, RenewalArgs, renewal_event
from infrastructure.renewer import Renewer, check_renewer_policy, renewer_args, zone_roles
from infrastructure.schedules import Schedules, SchedulesArgs
from infrastructure.secrets import Secrets, SecretsArgs
from infrastructure.settings import SettingsError, load_settings

prefix = f"synology-https/{pulumi.get_stack()}"
try:
    settings = load_settings(pulumi.Config().get)
    check_renewer_policy(settings, prefix)
    nas_tags = {nas.name: nas_tag(nas, prefix) for nas in settings.nases}
    tags_of_secrets = secret_tags(settings.nases, nas_tags)
    zones = HostedZones("zones", HostedZonesArgs(settings.zone_names, settings.zones))
    replaced = replaced_records(settings.nases, zones.by_name)
except (SettingsError, RecordInTheWayError) as error:
    raise pulumi.RunError(str(error)) from None
for line in (*settings.warnings(), *replaced):
    pulumi.log.warn(line)

region = aws.get_region().region
account_id = aws.get_caller_identity().account_id
all_certificates = f"arn:aws:secretsmanager:{region}:{account_id}:secret:{prefix}/certificate/*"

for nas in settings.nases:
    NasRecords(nas.name, NasRecordsArgs(nas.host_names, nas.addresses, zones.by_name))

secrets = Secrets(
    "secrets",
    SecretsArgs(prefix, {one.name: tags_of_secrets.get(one.name, {}) for one in settings.certificates}),
)

topic_arn = (
    Notices("notices", NoticesArgs(settings.alarm_email, account_id)).topic_arn
    if settings.alarm_email
    else None
)

renewer = Renewer(
    "renewer",
    renewer_args(
        settings,
        bundle=build_bundle(lambda_platform(settings.architecture), Path("build")),
        zones=zones.by_name,
        certificate_arn=all_certificates,
        account_arn=secrets.account_arn,
        topic_arn=topic_arn,
        metric_namespace=renewer_namespace(prefix),
    ),
)

access = {
    nas.name: NasAccess(
        nas.name,
        NasAccessArgs(
            certificate_arns=[all_certificates]
            if nas_tags[nas.name]
            else [secrets.certificate_arns[one.name] for one in nas.certificates],
            metric_namespace=nas_namespace(prefix, nas.name),
            tag=nas_tags[nas.name],
            source_ips=nas.source_ips,
        ),
    )
    for nas in settings.nases
}

schedules = Schedules("schedules", SchedulesArgs(renewer.function_arn, account_id))
events = {
    one.name: renewal_event(one, zones.by_name, secret_arn=secrets.certificate_arns[one.name])
    for one in settings.certificates
}
renewals = {
    one.name: Renewal(
        one.name,
        RenewalArgs(
            function_name=renewer.function_name,
            function_arn=renewer.function_arn,
            event=events[one.name],
            schedule=one.schedule,
            schedules=schedules,
            first_run_after=tuple(access.values()),
        ),
    )
    for one in settings.certificates
}

if topic_arn is not None:
    Alarms(
        "alarms",
        AlarmsArgs(
            topic_arn=topic_arn,
            function_name=renewer.function_name,
            certificates=settings.certificates,
            nases=settings.nases,
            prefix=prefix,
            first_runs={name: renewal.first_run for name, renewal in renewals.items()},
        ),
    )
if settings.dashboard:
    nas_names = [nas.name for nas in settings.nases]
    title = dashboard_title(prefix, region)
    Dashboard("dashboard", DashboardArgs(title, region, renewer.function_name, nas_names, prefix))
if settings.budget_usd is not None and topic_arn is not None:
    Budget("budget", BudgetArgs(settings.budget_usd, topic_arn))

first_outcomes = {name: renewal.first_outcome for name, renewal in renewals.items()}
pulumi.export("url", nas_url(settings.nases[0]))
pulumi.export(
    "next_step",
    pulumi.Output.all(
        pulumi.Output.from_input(first_outcomes), pulumi.Output.from_input(zones.name_servers)
    ).apply(
        lambda made: next_step(
            made[0],
            nases=tuple(nas.name for nas in settings.nases),
            name_servers=made[1],
            alarm_email=settings.alarm_email,
        )
    ),
)
pulumi.export("region", region)
pulumi.export("renewer", renewer.function_name)
pulumi.export("renewer_role", renewer.role_arn)
if topic_arn is not None:
    pulumi.export("alarm_topic", topic_arn)
if roles := zone_roles(zones.by_name, settings.challenges, account_id):
    pulumi.export("zone_roles", roles)
pulumi.export(
    "certificates",
    {
        name: {"request": events[name].apply(json.loads), "first_renewal": renewal.first_outcome}
        for name, renewal in renewals.items()
    },
)
pulumi.export(
    "nas",
    {
        nas.name: {
            "user": access[nas.name].user_name,
            "url": nas_url(nas),
            "agent_config": agent_config(
                nas, region=region, prefix=prefix, certificate_arns=secrets.certificate_arns
            ),
        }
        for nas in settings.nases
    },
)
if settings.dashboard:
    pulumi.export(
        "dashboard",
        f"https://console.aws.amazon.com/cloudwatch/home?region={region}#dashboards/dashboard/{title}",
    )
