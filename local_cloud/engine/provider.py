"""The provider for `aws` that Pulumi's engine starts: it makes the stack's resources in the local AWS.

The engine runs it as `pulumi-resource-aws` and reads its port from its first line. Endpoint, region and key
come in AWS's own environment variables, and in `LOCAL_CLOUD` as JSON what the local Lambdas need.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import threading
import time
import traceback
from concurrent import futures
from pathlib import Path
from typing import Any

import boto3
import grpc  # type: ignore[import-untyped]
from botocore.config import Config
from botocore.exceptions import ClientError
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from local_cloud.processes import LOOPBACK
from local_cloud.stack.types import Cloud, Inputs, State, named, resource_type
from local_cloud.stack.types.functions import answer

from .rules import change, failures, planned
from .signatures import signature
from .values import plain, struct

_LAMBDA_SECONDS = 900
_ORPHAN_SECONDS = 0.2
_GONE = {
    "NoSuchEntity",
    "NoSuchHostedZone",
    "NotFound",
    "NotFoundException",
    "ResourceNotFound",
    "ResourceNotFoundException",
}
_CONFIGURATION = {"region", "version"}


class AwsProvider(provider_pb2_grpc.ResourceProviderServicer):
    """Answers the engine's calls: see provider.proto of pulumi/pulumi."""

    def __init__(self, cloud: Cloud) -> None:
        """Make resources in `cloud`."""
        self._cloud = cloud

    def Handshake(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """Say what of the protocol is spoken."""
        return provider_pb2.ProviderHandshakeResponse()

    def GetPluginInfo(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """Say the version: that of the package whose types it serves."""
        return plugin_pb2.PluginInfo(version=importlib.metadata.version("pulumi_aws"))

    def CheckConfig(self, request: Any, _context: Any) -> Any:  # noqa: N802
        """Refuse provider settings that are not carried out."""
        refused = dict.fromkeys(plain(request.news), "the local provider does not carry it out")
        for name in _CONFIGURATION:
            refused.pop(name, None)
        return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(refused))

    def DiffConfig(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """The provider is the same whatever its settings."""
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """Have the engine unwrap secrets and call for previews too."""
        return provider_pb2.ConfigureResponse(acceptSecrets=False, supportsPreview=True)

    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answer a function such as getZone."""
        with _told(context):
            found = answer(self._cloud, request.tok, plain(request.args))
            return provider_pb2.InvokeResponse(**{"return": struct(found)})

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Refuse unknown and missing properties, and give a name."""
        with _told(context):
            kind, inputs = resource_type(_type(request)), plain(request.news)
            refused = failures(kind, inputs)
            full = named(kind, _name(request), inputs, plain(request.olds))
            return provider_pb2.CheckResponse(inputs=struct(full), failures=_failures(refused))

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Say which properties differ, and which of them replace the resource."""
        with _told(context):
            kind = resource_type(_type(request))
            found = change(kind, plain(request.old_inputs), plain(request.olds), plain(request.news))
            kinds = provider_pb2.DiffResponse
            return kinds(
                changes=kinds.DIFF_SOME if found.changed else kinds.DIFF_NONE,
                diffs=found.changed,
                replaces=found.replaced,
            )

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Make the resource."""
        with _told(context):
            kind, inputs = resource_type(_type(request)), plain(request.properties)
            if request.preview:
                return provider_pb2.CreateResponse(properties=struct(planned(kind, inputs)))
            made, outputs = kind.create(self._cloud, inputs)
            return provider_pb2.CreateResponse(
                id=made, properties=struct(_outputs(kind.token, inputs, outputs))
            )

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Tell what AWS has now; no id where it is gone."""
        with _told(context):
            kind, known, inputs = (
                resource_type(_type(request)),
                plain(request.properties),
                plain(request.inputs),
            )
            try:
                found = kind.read(self._cloud, request.id, known)
            except ClientError as error:
                if error.response["Error"]["Code"] not in _GONE:
                    raise
                found = None
            if found is None:
                return provider_pb2.ReadResponse()
            state = _as_known(known, found)
            seen = {name: state.get(name, value) for name, value in inputs.items()}
            return provider_pb2.ReadResponse(id=request.id, properties=struct(state), inputs=struct(seen))

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Change the resource in place."""
        with _told(context):
            kind, old, new = resource_type(_type(request)), plain(request.olds), plain(request.news)
            kept = {name: value for name, value in old.items() if name not in signature(kind.token).inputs}
            if kind.auto_named:
                kept |= {name: old[name] for name in (kind.auto_named,) if name in old}
            if request.preview:
                return provider_pb2.UpdateResponse(properties=struct(planned(kind, new, kept)))
            if kind.update is None:
                raise LookupError(f"{kind.token} cannot be changed in place")
            updated = kind.update(self._cloud, request.id, old, new)
            return provider_pb2.UpdateResponse(
                properties=struct(_outputs(kind.token, new, {**kept, **updated}))
            )

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Remove the resource; one that is gone is well."""
        with _told(context):
            kind = resource_type(_type(request))
            try:
                kind.delete(self._cloud, request.id, plain(request.properties))
            except ClientError as error:
                if error.response["Error"]["Code"] not in _GONE:
                    raise
            return empty_pb2.Empty()

    def Cancel(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """Nothing here outlasts a call."""
        return empty_pb2.Empty()


class _told:  # noqa: N801 - reads as a verb phrase where it is used
    """Give the engine an error's own words, and its trace to standard error where it is a bug of ours."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> None:
        if isinstance(error, KeyError | TypeError | AttributeError):
            traceback.print_exception(error, file=sys.stderr)
        if isinstance(error, Exception):
            text = f"{error}" if not isinstance(error, KeyError) else f"no property {error}"
            self._context.abort(grpc.StatusCode.UNKNOWN, text)


def _type(request: Any) -> str:
    return str(request.type or request.urn.split("::")[2].rsplit("$", 1)[-1])


def _name(request: Any) -> str:
    return str(request.name or request.urn.split("::")[3])


def _failures(refused: dict[str, str]) -> list[Any]:
    return [
        provider_pb2.CheckFailure(property=name, reason=f"{name}: {why}")
        for name, why in sorted(refused.items())
    ]


def _outputs(token: str, inputs: Inputs, made: State) -> State:
    """Return the outputs, held to what pulumi_aws declares."""
    outputs = {**inputs, **made}
    if "tagsAll" in signature(token).outputs:
        outputs["tagsAll"] = dict(inputs.get("tags", {}))
    undeclared = outputs.keys() - signature(token).outputs
    if undeclared:
        raise LookupError(f"pulumi_aws's {token} has no outputs {sorted(undeclared)}")
    return outputs


def _as_known(known: State, found: State) -> State:
    """Return the state read back, without AWS's empty values where the program left the property out."""
    read = {name: value for name, value in found.items() if name in known or value not in ("", {}, [], 0)}
    return {**known, **read}


def local_cloud() -> Cloud:
    """Return the local AWS that the environment describes."""
    about = json.loads(os.environ["LOCAL_CLOUD"])
    config = Config(read_timeout=_LAMBDA_SECONDS, retries={"total_max_attempts": 1}, proxies={})
    clients: dict[str, Any] = {}
    lock, region = threading.Lock(), os.environ["AWS_REGION"]

    def client(service: str) -> Any:
        with lock:  # boto3's default session is not for threads, its clients are
            if service not in clients:
                clients[service] = boto3.client(service, region_name=region, config=config)  # type: ignore[call-overload]
            return clients[service]

    return Cloud(client, region, Path(about["local_bundle"]), about["lambda_environment"])


def main() -> None:
    """Serve until the engine ends the process."""
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=16),
        options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(AwsProvider(local_cloud()), server)
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    engine = os.getppid()
    while os.getppid() == engine:  # an engine that is killed does not end its plugins
        time.sleep(_ORPHAN_SECONDS)
    os._exit(1)  # no call that is under way is waited for


if __name__ == "__main__":
    main()
