#!/bin/sh
# Process 1 around a machine with systemd: mounts its disk, says "ready" and collects orphans. It
# lives as long as its standard input is open; with it the kernel ends the container and its mounts.
#   $1     where the machine's root file system is      $2  an ext4 image to mount there, or nothing
set -eu
# Without auto_da_alloc: ext4 would sync by itself what a rename replaces, as others do not.
if [ -n "${2:-}" ]; then mount -o loop,noatime,noauto_da_alloc "$2" "$1"; fi
exec 3<&0 < /dev/null
echo ready
cat <&3 > /dev/null &
wait $!
