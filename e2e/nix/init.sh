#!/bin/sh
# What a machine runs when it boots generation @gen@: the second stage of NixOS, then the units.
set -u
"@out@/activate" || echo "activation at boot failed" >&2
ln -sfn @out@ /run/booted-system
ln -sfn /run/booted-system /nix/var/nix/gcroots/booted-system
# A failed unit does not stop a boot.
"@out@/systemd/start-units" || true
