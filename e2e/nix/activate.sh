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
ln -sfn @out@ /run/current-system.next && mv -T /run/current-system.next /run/current-system
ln -sfn /run/current-system /nix/var/nix/gcroots/current-system
exit $status
