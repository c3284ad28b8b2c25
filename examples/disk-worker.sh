#!/bin/sh
# A worker in plain shell: docs/runner-protocol.md is all that it takes. In taskexe.toml:
#   [worker.disk]
#   command = ["sh", "disk-worker.sh"]
# It tells how much room the disk has, in KiB. It reads between two tasks only, so a cancel ends it by SIGTERM.
say() {
  printf '%s\n' "$1" >&4
}

disk_free() {
  df -Pk / 3<&- 4>&- | awk 'NR == 2 { print $4 }' 3<&- 4>&-
}

types='[{"type":"disk_free","attempts":2}]'
say "{\"kind\":\"hello\",\"protocol\":1,\"language\":\"sh\",\"pid\":$$,\"types\":$types}"
while IFS= read -r line <&3; do
  # The kind and the number of a message come first, so that this needs no JSON library.
  kind=${line#'{"kind":"'} kind=${kind%%'"'*}
  number=${line#'{"kind":"'"$kind"'","'*'":'} number=${number%%[!0-9]*}
  case $kind in
    run)
      say "{\"kind\":\"begun\",\"runs\":[$number]}"
      free=$(disk_free)
      if [ -n "$free" ]; then
        say "{\"kind\":\"log\",\"run\":$number,\"level\":\"info\",\"text\":\"$free KiB are free\"}"
        say "{\"kind\":\"done\",\"run\":$number,\"result\":$free}"
      else
        say "{\"kind\":\"failed\",\"run\":$number,\"error\":{\"name\":\"Error\",\"message\":\"df\"},\"retry\":true}"
      fi ;;
    ping) say "{\"kind\":\"answer\",\"ask\":$number}" ;;
    stop) exit 0 ;;
  esac
done
