#!/bin/sh
# Stands in for systemd, which no namespace has: forgets failed units, starts those of generation
# @gen@ and leaves their state under /run/sim. Exit 1: some unit failed.
#   /run/sim/failed-units/<unit>   one file for each failed unit
#   /run/sim/health                up, down, flap or hang; what bin/sim-health answers from
set -eu
rm -rf /run/sim/failed-units /run/sim/health-calls
mkdir -p /run/sim/failed-units
health=up
case "@mode@" in
  # Units that never finish starting keep the health check waiting for its first "up".
  fail-health | hang | hang-trap) health=down ;;
  flap-health) health=flap ;;
  hang-health) health=hang ;;
  # Healthy unless it was booted, as with a kernel that lacks what the system needs.
  fail-boot) [ "$(readlink /run/booted-system)" != "@out@" ] || health=down ;;
  exit4) : > /run/sim/failed-units/app.service ;;
esac
echo "$health" > /run/sim/health
for unit in @failing@; do : > "/run/sim/failed-units/$unit"; done
[ -z "$(ls /run/sim/failed-units)" ]
