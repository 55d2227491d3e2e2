"""The project's own Pulumi program, applied to the local AWS."""

from .deploy import DeployError, Engine, deploy, preview

__all__ = ["DeployError", "Engine", "deploy", "preview"]
