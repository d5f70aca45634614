"""The command plugin: remote.Command as pulumi-command 1.2.1 has it."""
