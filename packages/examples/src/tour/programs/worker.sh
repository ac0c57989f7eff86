#!/bin/sh
# A worker with two helpers of its own. The second one is started so that the end of a terminal would not reach it.
sleep 60 &
nohup sleep 60 >/dev/null 2>&1 &
echo "I started two helpers, one of them with nohup"
wait
