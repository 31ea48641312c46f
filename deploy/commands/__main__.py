"""``python -m deploy.commands``: the same command line, for child processes of ours."""

from deploy.commands import main

main()
