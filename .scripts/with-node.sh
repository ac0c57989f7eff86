#!/bin/sh
# Runs a shell command with a Node and a pnpm that are new enough: `with-node.sh 'node -v && exec pnpm "$@"' args...`.
# Those of the machine are used when they will do; otherwise pinned ones come from the registry, kept in npm's cache.
# Everything else about the project assumes that this ran first, so this file must work with any POSIX shell and Node.
set -eu

NODE_PINNED=26.10.0
PNPM_PINNED=12.21.0

cd "$(dirname "$0")/.."

node_will_do() {
  command -v node >/dev/null 2>&1 &&
    node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 19) ? 0 : 1)'
}

pnpm_will_do() {
  version=$(pnpm --version 2>/dev/null) || return 1
  case ${version%%.*} in
    [1-9][2-9] | [2-9][0-9]) return 0 ;;
    *) return 1 ;;
  esac
}

# npm and pnpm keep their caches below HOME, which a service's account may lack.
if [ ! -d "${HOME:-}" ] || [ ! -w "$HOME" ]; then
  HOME=$PWD/node_modules/.home
  mkdir -p "$HOME"
  # The npm that runs this has already told its children where it wanted its cache.
  npm_config_cache=$HOME/.npm
  export HOME npm_config_cache
fi

if ! node_will_do || ! pnpm_will_do; then
  if ! command -v npx >/dev/null 2>&1; then
    echo "nursery: no Node >= 22.19 with pnpm 12 here, and no npx to fetch them with; install any Node with npm" >&2
    exit 1
  fi
  # npx only says where the two are. Run below it, the command would get its signals and exit status second hand.
  where=$(npm_config_update_notifier=false npx --yes --package "node@$NODE_PINNED" --package "pnpm@$PNPM_PINNED" \
    --call 'dirname "$(command -v node)"; dirname "$(command -v pnpm)"' </dev/null) || {
    echo "nursery: could not fetch node@$NODE_PINNED and pnpm@$PNPM_PINNED with npx" >&2
    exit 1
  }
  PATH=$(echo "$where" | head -n 1):$(echo "$where" | tail -n 1):$PATH
  export PATH
fi

command=$1
shift
exec sh -c "$command" nursery "$@"
