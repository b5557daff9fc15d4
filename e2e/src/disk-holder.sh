#!/bin/sh
# Mounts the disks of a device in a mount namespace of their own, says "ready" and keeps them while
# its standard input is open: when the test process is gone, however it went, nothing stays mounted.
#   $1     the device's folder      $2  the folder with the images
#   $3...  folders of the device: each is a file system of its own on `<name>.img`, or all are on
#          the one image `all.img` when there is one
set -eu
root=$1
images=$2
shift 2
# Without auto_da_alloc: ext4 would sync files that a rename replaces by itself, which other file
# systems do not, and which would hide that somebody forgot to.
options=loop,noatime,noauto_da_alloc
if [ -e "$images/all.img" ]; then
  mkdir -p "$images/all"
  mount -o "$options" "$images/all.img" "$images/all"
  for folder; do
    mkdir -p "$images/all/$folder"
    mount --bind "$images/all/$folder" "$root/$folder"
  done
else
  for folder; do mount -o "$options" "$images/$folder.img" "$root/$folder"; done
fi
exec 3<&0 < /dev/null
echo ready
exec cat <&3 > /dev/null
