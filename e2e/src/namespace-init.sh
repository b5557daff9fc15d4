#!/bin/sh
# Process 1 of a harness machine: mounts the machine's own folders over the host's, says "ready" and
# collects orphans. It lives as long as its standard input is open, so when the test process is
# gone, however it went, the kernel ends everything in this machine and drops its mounts.
#   $1     the machine's folder
set -eu
root=$1
for folder in nix run etc boot; do mount --bind "$root/$folder" "/$folder"; done
exec 3<&0 < /dev/null
echo ready
cat <&3 > /dev/null &
# Waiting for the reader of the lifeline also collects every orphan that ends meanwhile.
wait $!
