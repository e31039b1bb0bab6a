"""Daemons on a node that is reached only by a shell: POSIX sh scripts that start, signal, look at and kill them.

Used inside containers that this process cannot enter, and over SSH. They need a `/proc` and sh, cat, mkdir, rm, tr,
grep and timeout, of GNU or busybox; nothing is installed. A daemon is remembered by a file with its pid and its
start in ticks, so that a reused pid is never signalled.
"""

from __future__ import annotations

from collections.abc import Sequence

NODE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/quorate/bin"
IDLE_MARK = "QUORATE_IDLE=1"
STARTING = "quorate-start"  # the shell's own name until it has become the server

_FUNCTIONS = r"""
start_of() { # pid -> ticks since boot
  read -r line 2>/dev/null <"/proc/$1/stat" || return 1
  line=${line##*) }
  set -- $line
  echo "${20}"
}
known() { # file of a daemon -> sets pid and start, fails if it is not the living process that was started
  pid= start=
  [ -r "$1" ] && read -r pid start <"$1" || return 1
  [ -n "$start" ] && [ "$(start_of "$pid")" = "$start" ]
}
family() { # pid, mark -> all living pids of its session, its descendants, and marked orphans
  members=" $1 "
  changed=yes
  while [ -n "$changed" ]; do
    changed=
    for folder in /proc/[0-9]*; do
      one=${folder#/proc/}
      case "$members" in *" $one "*) continue ;; esac
      read -r line 2>/dev/null <"$folder/stat" || continue
      line=${line##*) }
      set -- "$1" "$2" $line
      case "$3" in Z | X) continue ;; esac
      case "$members" in *" $4 "*) members="$members$one " changed=yes; continue ;; esac
      if [ "$6" = "$1" ]; then members="$members$one " changed=yes; continue; fi
      case "$4" in 0 | 1) ;; *) continue ;; esac
      if [ -n "$2" ] && tr '\0' '\n' 2>/dev/null <"$folder/environ" | grep -qxF "$2"; then
        members="$members$one " changed=yes
      fi
    done
  done
  echo "$members"
}
"""

START = (
    _FUNCTIONS
    + r"""
file=$1 log=$2 folder=$3
shift 3
[ -f "$1" ] && [ -x "$1" ] || { echo "$1 is not an executable file" >&2; exit 126; }
case "$log" in */*) mkdir -p "${log%/*}" ;; esac
case "$file" in */*) mkdir -p "${file%/*}" ;; esac
cd "$folder" || exit 125
echo "$$ $(start_of $$)" >"$file" || exit 125
exec "$@" >>"$log" 2>&1 </dev/null
"""
)

# Prints "running PID", "starting", "stopped PID" or "dead".
STATE = (
    _FUNCTIONS
    + r"""
known "$1" || { echo dead; exit 0; }
read -r line 2>/dev/null <"/proc/$pid/stat" || { echo dead; exit 0; }
line=${line##*) }
case "$line" in
  T*) echo "stopped $pid" ;;
  X*) echo dead ;;
  Z*) set -- /proc/$pid/task/*; if [ $# -gt 1 ]; then echo "running $pid"; else echo dead; fi ;;
  *)
    if tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF "$2"; then echo starting
    else echo "running $pid"; fi ;;
esac
"""
)

SIGNAL = (
    _FUNCTIONS
    + r"""
known "$1" || exit 0
done=" "
rounds=0
while [ $rounds -lt 20 ]; do
  rounds=$((rounds + 1))
  new=
  for one in $(family "$pid" "$3"); do
    case "$done" in *" $one "*) continue ;; esac
    kill -s "$2" "$one" 2>/dev/null
    new=yes done="$done$one "
  done
  case "$2" in KILL | STOP) [ -n "$new" ] || break ;; *) break ;; esac
done
case "$2" in KILL) wanted='[ZX]*' ;; STOP) wanted='[TZX]*' ;; CONT) wanted='[!T]*' ;; *) exit 0 ;; esac
rounds=0
while known "$1" && read -r line 2>/dev/null <"/proc/$pid/stat" && [ $rounds -lt 5000 ]; do
  case "${line##*) }" in $wanted) break ;; esac
  rounds=$((rounds + 1))
done
exit 0
"""
)

_EMPTY = r"""mkdir -p "$1" && cd "$1" || exit 1
for one in * .[!.]* ..?*; do # busybox' find cannot delete
  if [ -e "$one" ] || [ -L "$one" ]; then rm -rf -- "./$one" || exit 1; fi
done
"""

# Kills every process with the mark except the idle one that keeps a container up, then empties the directory, of
# mounts as well.
WIPE = r"""
mark=$1 directory=$2
rounds=0
while [ $rounds -lt 50 ]; do
  rounds=$((rounds + 1))
  found=
  for folder in /proc/[0-9]*; do
    one=${folder#/proc/}
    case " 1 $$ $PPID " in *" $one "*) continue ;; esac
    tr '\0' '\n' 2>/dev/null <"$folder/environ" | grep -qxF "$mark" || continue
    grep -q '^State:.[ZX]' "$folder/status" 2>/dev/null && continue
    tr '\0' '\n' 2>/dev/null <"$folder/environ" | grep -qxF @IDLE@ && continue
    kill -9 "$one" 2>/dev/null && found=yes
  done
  [ -n "$found" ] || break
done
[ -z "$found" ] || { echo "processes would not die" >&2; exit 1; }
cut -d' ' -f2 /proc/mounts | grep -F "$directory/" | sort -r | while read -r mounted; do umount -l "$mounted"; done
@EMPTY@
""".replace("@IDLE@", IDLE_MARK).replace("@EMPTY@", _EMPTY.replace("$1", "$directory"))


def empty_command(directory: str) -> list[str]:
    """Return the argv that empties a directory."""
    return command(_EMPTY, directory)


def command(script: str, *arguments: str, name: str = "quorate") -> list[str]:
    """Return the argv that runs one of the scripts with these arguments."""
    return ["sh", "-c", script, name, *arguments]


def start_command(file: str, log: str, cwd: str, argv: Sequence[str]) -> list[str]:
    """Return the argv that becomes a daemon: it notes its pid in `file`, then executes `argv` into `log`."""
    return command(START, file, log, cwd, *argv, name=STARTING)


def signal_command(file: str, signal_name: str, mark: str) -> list[str]:
    """Return the argv that signals a daemon and all that it started; `signal_name` without SIG."""
    return command(SIGNAL, file, signal_name, mark)


def state_command(file: str) -> list[str]:
    """Return the argv that prints a daemon's state."""
    return command(STATE, file, STARTING)


def wipe_command(mark: str, directory: str) -> list[str]:
    """Return the argv that kills everything with the mark and empties a directory."""
    return command(WIPE, mark, directory)
