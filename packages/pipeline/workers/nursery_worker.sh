# The worker side of a pool of Nursery, for any POSIX shell: source it, and say which function answers.
#
#     . "$NURSERY_WORKER"
#     upper() { printf '%s\n' "$1" | tr a-z A-Z; }
#     nursery_serve upper
#
# A request is a line, and so is its answer: what the function prints for it, given as its first argument. A function that fails, or
# that prints nothing or more than a line, ends the worker: the pool tries the request again, or tells of it.

nursery_serve() {
  while IFS= read -r nursery_request; do
    nursery_answer=$("$@" "$nursery_request" </dev/null) || return
    case $nursery_answer in
      "" | *'
'*)
        echo "nursery_serve: no line of its own in answer to: $nursery_request" >&2
        return 1
        ;;
    esac
    printf '%s\n' "$nursery_answer"
  done
}
