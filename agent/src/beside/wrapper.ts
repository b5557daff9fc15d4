/**
 * The shell program around one run of switch-to-configuration. It is handed to `sh` as text, so it
 * needs no file that an update could remove, and it needs neither node nor network.
 *
 * Arguments: result directory, name of the run, limit in seconds, program, action. It holds
 * `<name>.lock` while it runs, tells its session in `<name>.started`, says in `<name>.switching` that
 * the program is about to begin and in `<name>.over` that it ended, and leaves `<name>.json` durably.
 * Whoever starts it twice runs it once. The lock's descriptor is closed in what it starts: a service
 * that the switch leaves behind must not look like a switch that runs.
 */
export const WRAPPER = `
set -u
umask 077
dir=$1 name=$2 limit=$3 program=$4 action=$5
cd / || exit 70
exec 9> "$dir/$name.lock"
flock -n 9 || exit 75
[ ! -e "$dir/$name.json" ] || exit 0

uptime() { read -r seconds rest < /proc/uptime; echo "\${seconds%.*}"; }

stat=$(cat "/proc/$$/stat")
set -- \${stat##*) }
echo "$4" > "$dir/$name.started"
sync "$dir/$name.started" "$dir"

# What is printed goes to the file and to whoever logs this program. Beyond the first 64 KiB it is
# read and dropped: a talkative unit neither fills the disk nor waits for a reader.
rm -f "$dir/$name.pipe"
mkfifo "$dir/$name.pipe"
{ head -c 65536 | tee "$dir/$name.log"; cat > /dev/null; } < "$dir/$name.pipe" 9>&- &
reader=$!

# Not brought to the disk: after a power cut the links tell, not this.
# In a subshell: where \`:\` cannot write, it ends its shell.
(: > "$dir/$name.switching") || exit 74
began=$(uptime)
timeout -k 10 "$limit" "$program" "$action" > "$dir/$name.pipe" 2>&1 < /dev/null 9>&-
code=$?
(: > "$dir/$name.over") || :
took=$(($(uptime) - began))
# The last words shall be there with the result, but what the switch left behind is not waited for.
timeout 1 tail --pid "$reader" -s 0.05 -f /dev/null 9>&-

# Not every builder of a boot loader brings what it wrote to the disk, and a result of 0 says that
# the boot default is there. 74 is EX_IOERR.
case $action in
  switch | boot)
    for place in /boot /boot/efi /efi; do
      if [ -d "$place" ] && ! timeout -k 1 60 sync -f "$place" 9>&-; then
        echo "what was written to $place does not reach the disk" >> "$dir/$name.log"
        [ "$code" -ne 0 ] || code=74
      fi
    done
    ;;
esac
rm -f "$dir/$name.pipe"

timed_out=false
case $code in
  124 | 137) [ "$took" -lt "$limit" ] || timed_out=true ;;
esac
# On a full disk there is no result, rather than one of no bytes.
printf '{"code":%s,"timedOut":%s}\\n' "$code" "$timed_out" > "$dir/$name.json.next" &&
  sync "$dir/$name.json.next" &&
  mv "$dir/$name.json.next" "$dir/$name.json" &&
  sync "$dir"
`;
