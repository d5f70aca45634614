"""Other ways to the dev stack's end state: a bare shell script, and a small Ansible playbook of our own."""
