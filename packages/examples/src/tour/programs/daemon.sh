#!/bin/sh
# Becomes a daemon the classic way: fork, setsid, fork again. What was started exits at once; what goes on working has another
# parent, another process group and another session, so that no signal to the first one's group can reach it.
case ${1-} in
  '') setsid sh "$0" session & ;;
  session) sh "$0" work & ;;
  work)
    echo "I forked twice and called setsid, to get away"
    exec sleep 60 </dev/null >/dev/null 2>&1
    ;;
esac
