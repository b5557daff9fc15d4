#!/bin/sh
# Synthetic switch-to-configuration of generation @gen@, mode @mode@.
#
#   mode             what an activation of this system does                                exit
#   ok               everything works                                                      0
#   slow             as ok, after @seconds@ s between stopping and starting units             0
#   noisy            as ok, with a megabyte on stderr                                      0
#   exit1            a pre-switch check fails: nothing is touched                          1
#   fail-bootloader  the boot loader cannot be written (switch, boot); test works          1
#   fail             a snippet of the activation script fails; current-system moves anyway 2
#   exit3            systemd cannot reload its units; current-system has moved              3
#   exit4            app.service fails to start; the system runs otherwise                 4
#   exit100          refuses to run without a reboot: boot default moves, live system does not 100
#   panic            as ok; its kernel never reaches user space when it is booted             0
#   fail-boot        activates; the health check says down after it was booted                0
#   hang             starting units never ends; current-system has moved                   killed
#   hang-trap        the same, and TERM is ignored                                         killed
#   crash            kills itself after stopping units, before activation                  137
#   fail-health      activates; the health check then says down                            0
#   flap-health      activates; every second health check fails                            0
#   hang-health      activates; the health check never answers                             0
#   empty            this script is a file of no bytes                                     -
#
# Another one that holds the lock: 11 at once (EAGAIN), as current NixOS does.
set -u
action=${1:-}
toplevel=@out@
mode=@mode@
log() { echo "$@" >&2; }

case "$action" in
  switch | boot | test | dry-activate | check) ;;
  *)
    log "Usage: $0 [check|switch|boot|test|dry-activate]"
    exit 1
    ;;
esac
if ! [ -e /etc/NIXOS ] && ! grep -q '^ID=nixos$' /etc/os-release; then
  log 'This is not a NixOS installation!'
  exit 1
fi

# The descriptor is closed in every child, as close-on-exec does for the real program: the lock
# goes with this process, not with what it started.
mkdir -p /run/nixos
exec 9> /run/nixos/switch-to-configuration.lock
if ! flock -n 9; then
  log 'Could not acquire lock'
  exit 11
fi

if [ "$mode" = exit1 ] && [ "${NIXOS_NO_CHECK:-}" != 1 ]; then
  log 'Pre-switch checks failed'
  exit 1
fi
if [ "$action" = check ]; then exit 0; fi
if [ "$action" = dry-activate ]; then
  log 'would restart the following units: app.service'
  exit 0
fi

if [ "$action" = switch ] || [ "$action" = boot ]; then
  if ! "$toplevel/bin/install-boot-loader" 9>&-; then
    log 'Failed to install bootloader'
    exit 1
  fi
  if [ "${NIXOS_NO_SYNC:-}" != 1 ]; then sync -f /nix/store 9>&-; fi
fi
if [ "$action" = boot ]; then exit 0; fi

if [ "$mode" = exit100 ] ||
  ! cmp -s "$toplevel/init-interface-version" /run/current-system/init-interface-version; then
  log 'Warning: do not know how to make this configuration active without a reboot.'
  exit 100
fi

# Without systemd, files under /run/sim tell what it would.
if [ -d /run/systemd/system ]; then units=$toplevel/systemd/systemd-units; else units=; fi

log 'stopping the following units: app.service'
if [ -n "$units" ]; then "$units" stop "$(readlink /run/current-system)" 9>&-; fi
status=0
case "$mode" in
  crash) kill -KILL $$ ;;
  slow) sleep @seconds@ 9>&- ;;
  noisy) seq -f 'line %.0f of what a talkative unit says while it is stopped' 20000 >&2 ;;
esac

log 'activating the configuration...'
"$toplevel/activate" 9>&- || status=2
if [ "$mode" = exit3 ]; then
  log 'Failed to reload systemd'
  exit 3
fi

log 'starting the following units: app.service'
case "$mode" in
  hang) sleep 100000 9>&- ;;
  hang-trap)
    trap '' TERM
    while :; do sleep 1 9>&-; done
    ;;
esac
failed=0
if ! "$toplevel/systemd/start-units" 9>&-; then
  log "warning: the following units failed: $(ls /run/sim/failed-units | tr '\n' ' ')"
  failed=4
fi
if [ -n "$units" ]; then
  "$units" start 9>&-
  failed=$?
fi
if [ $failed != 0 ]; then status=$failed; fi
exit $status
