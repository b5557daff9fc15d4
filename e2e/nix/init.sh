#!/bin/sh
# What a machine runs when it boots generation @gen@: the second stage of NixOS, then the units. In a
# container it is process 1, and systemd takes its place.
set -u
if [ "@mode@" = panic ]; then
  echo "kernel panic - not syncing" >&2
  exit 1
fi
"@out@/activate" || echo "activation at boot failed" >&2
ln -sfn @out@ /run/booted-system
ln -sfn /run/booted-system /nix/var/nix/gcroots/booted-system
# A failed unit does not stop a boot.
"@out@/systemd/start-units" || true
if [ "${container:-}" = systemd-nspawn ]; then exec /usr/lib/systemd/systemd; fi
