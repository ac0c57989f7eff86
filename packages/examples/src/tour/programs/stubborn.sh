#!/bin/sh
# Ignores every signal that asks it to end, and so do its children, who inherit that.
trap '' TERM INT HUP
echo "I ignore SIGTERM, SIGINT and SIGHUP"
sleep 60 >/dev/null
