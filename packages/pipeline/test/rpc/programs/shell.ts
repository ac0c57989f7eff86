/** Workers in a POSIX shell that speak the messages of Effect's rpc by hand: quick to start, and as wrong as a test needs them. */

import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import { sh } from "../../support/setup.ts"

export class Echoes extends RpcGroup.make(
  Rpc.make("Echo", { payload: { n: Schema.Finite }, success: Schema.Finite }),
  Rpc.make("Parts", { payload: { n: Schema.Finite }, success: Schema.Finite, stream: true })
) {}

/**
 * Has run `body` for each request: `$n` is its number, and `answer` and `part` write what they are given. A part is acknowledged before
 * `part` returns, where it is the only call that the worker has.
 */
export const serving = (body: string, before = "") =>
  sh(`answer() { printf '{"_tag":"Exit","requestId":%s,"exit":{"_tag":"Success","value":%s}}\\n' "$id" "$1" >&3; }
finish() { printf '{"_tag":"Exit","requestId":%s,"exit":{"_tag":"Success","value":null}}\\n' "$id" >&3; }
part() { printf '{"_tag":"Chunk","requestId":%s,"values":[%s]}\\n' "$id" "$1" >&3; read -r ack; }
${before}
while read -r line; do
  case $line in *'"_tag":"Request"'*) ;; *) continue ;; esac
  id=\${line#*'"id":'}; id=\${id%%,*}
  n=\${line#*'"n":'}; n=\${n%%\\}*}
  ${body}
done <&3`)

/** Answers with what it was asked. */
export const echo = serving('answer "$n"')

/** Does it the first time that it is run, of all workers. */
export const once = (flag: string, script: string) => `if mkdir ${flag} 2>/dev/null; then ${script}; fi`
