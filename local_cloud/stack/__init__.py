"""The project's own Pulumi program, applied to the local AWS."""

from .deploy import DeployError, deploy, preview

__all__ = ["DeployError", "deploy", "preview"]
