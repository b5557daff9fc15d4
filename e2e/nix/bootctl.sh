#!/bin/sh
# Stands in for systemd's bootctl on a machine without EFI: a boot loader that starts one entry once
# when asked. What it is asked for is in /boot/loader/entry-once, which a boot takes away.
#   status, list --json=short, set-oneshot ID (an empty ID takes it back)
set -u
entries=/boot/loader/entries
[ "${1:-}" != --no-pager ] || shift
case "${1:-}" in
  status)
    printf 'Current Boot Loader:\n      Product: systemd-boot 252\n     Features: ✓ Boot counting\n               ✓ One-shot entry control\n'
    ;;
  list)
    for entry in "$entries"/*.conf; do
      [ -e "$entry" ] || continue
      options=$(sed -n 's/^options //p' "$entry")
      printf '{"id":"%s","title":"NixOS","options":"%s"}\n' "${entry##*/}" "$options"
    done
    ;;
  set-oneshot)
    if [ -z "$2" ]; then
      rm -f /boot/loader/entry-once
    elif [ -e "$entries/$2" ]; then
      echo "$2" > /boot/loader/entry-once.next
      mv /boot/loader/entry-once.next /boot/loader/entry-once
    else
      echo "no entry $2" >&2
      exit 1
    fi
    # The real one writes a variable of the firmware, which no cut loses.
    sync -f /boot
    ;;
  *)
    echo "unknown command $*" >&2
    exit 1
    ;;
esac
