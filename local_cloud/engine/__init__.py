"""The stack on Pulumi's real engine: its CLI, and a provider of ours in place of the aws provider."""
