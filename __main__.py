"""synology-https: the stack, as a table of contents."""

import json
from pathlib import Path

import pulumi
import pulumi_aws as aws

from infrastructure.bundle import build_bundle, lambda_platform
from infrastructure.nas_access import NasAccess, NasAccessArgs
from infrastructure.nas_records import NasRecords, NasRecordsArgs
from infrastructure.renewal import Renewal, RenewalArgs, next_step, renewal_event
from infrastructure.renewer import Renewer, RenewerArgs
from infrastructure.secrets import Secrets, SecretsArgs
from infrastructure.settings import SettingsError, load_settings
from infrastructure.zone import find_zone_id

try:
    settings = load_settings(pulumi.Config().get)
except SettingsError as error:
    raise pulumi.RunError(str(error)) from None

certificate = settings.domain
region = aws.get_region_output().region
namespace = f"synology-https/{pulumi.get_stack()}"
zone_id = find_zone_id(settings.domain)

NasRecords("nas", NasRecordsArgs(zone_id, settings.host_names, settings.nas_address))

secrets = Secrets("secrets", SecretsArgs(prefix=namespace, certificate=certificate))

renewer = Renewer(
    "renewer",
    RenewerArgs(
        bundle=build_bundle(lambda_platform(settings.architecture), Path("build")),
        architecture=settings.architecture,
        zone_id=zone_id,
        challenge_names=settings.challenge_names,
        certificate_arn=secrets.certificate_arn,
        account_arn=secrets.account_arn,
    ),
)

event = renewal_event(settings, certificate, zone_id=zone_id, secret_arn=secrets.certificate_arn)

nas = NasAccess(
    settings.nas_name,
    NasAccessArgs(secrets.certificate_arn, metric_namespace=f"{namespace}/{settings.nas_name}"),
)

renewal = Renewal(
    certificate,
    RenewalArgs(
        function_name=renewer.function_name,
        function_arn=renewer.function_arn,
        event=event,
        schedule=settings.schedule,
        account_id=aws.get_caller_identity_output().account_id,
        first_run_after=(nas,),
    ),
)

pulumi.export("url", f"https://{settings.host_names[0]}:5001")
pulumi.export("next_step", renewal.first_outcome.apply(next_step))
pulumi.export("first_renewal", renewal.first_outcome)
pulumi.export("region", region)
pulumi.export("renewer", renewer.function_name)
pulumi.export("certificates", {certificate: {"request": event.apply(json.loads)}})
pulumi.export("nas_user", nas.user_name)
pulumi.export(
    "agent_config",
    {
        "region": region,
        "metric_namespace": f"{namespace}/{settings.nas_name}",
        "certificates": [{"secret": secrets.certificate_arn, "names": list(settings.host_names)}],
    },
)
