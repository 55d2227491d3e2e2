"""The local AWS: MiniStack in an environment of its own, behind a launcher that makes it as strict as AWS."""
