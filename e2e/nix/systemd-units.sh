#!/bin/sh
# Units of generation @gen@ under a real systemd, as switch-to-configuration of NixOS goes about it.
#   stop SYSTEM   before activation: ends units of SYSTEM that are gone or differ here
#   start         after it: reads all units and starts what should run; 3: not read, 4: some failed
# X-StopOnRemoval=false and X-RestartIfChanged=false leave a unit alone.
set -u
here=@out@/etc/systemd/system
list=/run/nixos/start-list

case "$1" in
  stop)
    : > "$list"
    for file in "$2"/etc/systemd/system/*.service; do
      unit=${file##*/}
      case $(systemctl show --value --property=ActiveState "$unit") in
        active | activating | reloading) ;;
        *) continue ;;
      esac
      if [ ! -e "$here/$unit" ]; then
        grep -q '^X-StopOnRemoval=false' "$file" || systemctl stop "$unit"
      elif ! cmp -s "$file" "$here/$unit" && ! grep -q '^X-RestartIfChanged=false' "$here/$unit"; then
        systemctl stop "$unit"
        echo "$unit" >> "$list"
      fi
    done
    ;;
  start)
    systemctl reset-failed
    systemctl daemon-reload || exit 3
    # The target brings along what it wants and what does not run.
    systemctl start -- $(cat "$list") multi-user.target
    [ -z "$(systemctl list-units --plain --no-legend --state=failed)" ] || exit 4
    ;;
esac
