#!/bin/sh
# The health check of synthetic systems: answers from /run/sim/health, so a test may also write
# that file itself. Every second call fails while it says "flap".
health=$(cat /run/sim/health 2> /dev/null || echo missing)
echo "health is $health"
case "$health" in
  up) exit 0 ;;
  flap)
    echo call >> /run/sim/health-calls
    exit $(($(wc -l < /run/sim/health-calls) % 2 == 0))
    ;;
  hang) exec sleep 100000 ;;
  *) exit 1 ;;
esac
