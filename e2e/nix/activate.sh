#!/bin/sh
# Activation script of generation @gen@. As in NixOS, /run/current-system moves even when a snippet
# has failed, and the exit status tells of the failure.
set -u
status=0
if [ "@mode@" = fail ]; then
  echo "Activation script snippet 'users' failed (1)" >&2
  status=1
fi
ln -sfn @out@/etc /etc/static.next && mv -T /etc/static.next /etc/static
# Systemd reads units of this generation, and the agent its configuration, where NixOS has them.
if [ "${container:-}" = systemd-nspawn ] || [ -d /run/systemd/system ]; then
  [ -L /etc/systemd/system ] || rm -rf /etc/systemd/system
  ln -sfn /etc/static/systemd/system /etc/systemd/system
  mkdir -p /etc/nix-ota
  ln -sfn /etc/static/nix-ota/agent.json /etc/nix-ota/agent.json
fi
ln -sfn @out@ /run/current-system.next && mv -T /run/current-system.next /run/current-system
ln -sfn /run/current-system /nix/var/nix/gcroots/current-system
exit $status
