#!/bin/sh
# The boot loader's installer: as the systemd-boot builder of NixOS it writes one entry for each
# generation of the system profile, drops entries whose generation is gone, and makes its own
# toplevel the default only if that is a generation: a system outside the profile cannot be booted.
set -eu
if [ "@mode@" = fail-bootloader ]; then exit 1; fi
entries=/boot/loader/entries
mkdir -p "$entries" /boot/EFI/nixos

# Every write is to a name of its own first: a cut leaves the entry of before, or the whole entry.
write() {
  cat > "$1.next"
  mv "$1.next" "$1"
}

default=
kept=
for link in /nix/var/nix/profiles/system-*-link; do
  [ -e "$link" ] || continue
  number=${link##*/system-}
  number=${number%-link}
  system=$(readlink "$link")
  kernel=$(readlink "$system/kernel")
  image=EFI/nixos/$(basename "$(dirname "$kernel")")-bzImage
  [ -e "/boot/$image" ] || write "/boot/$image" < "$kernel"
  entry=nixos-generation-$number.conf
  write "$entries/$entry" << END
title NixOS
version Generation $number
linux /$image
options init=$system/init $(cat "$system/kernel-params")
END
  kept="$kept $entry "
  if [ "$system" = "@out@" ]; then default=$entry; fi
done
for entry in "$entries"/*.conf; do
  case "$kept" in
    *" ${entry##*/} "*) ;;
    *) rm -f "$entry" ;;
  esac
done
if [ -n "$default" ]; then
  printf 'timeout 5\ndefault %s\n' "$default" | write /boot/loader/loader.conf
fi
