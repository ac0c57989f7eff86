/** What the workers of these tests can be asked. */

import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"

export class TooLarge extends Schema.TaggedError<TooLarge>()("TooLarge", { n: Schema.Finite }) {}

export class Numbers extends RpcGroup.make(
  Rpc.make("Square", { payload: { n: Schema.Finite }, success: Schema.Finite, error: TooLarge }),
  Rpc.make("Pid", { success: Schema.Finite }),
  Rpc.make("Later", { payload: { at: Schema.Date, days: Schema.Finite }, success: Schema.Date }),
  /** Has a defect. */
  Rpc.make("Defect", { payload: { message: Schema.String } }),
  /** Ends the worker. */
  Rpc.make("Exit", { payload: { code: Schema.Finite } }),
  /** The numbers from 1 on, and then a failure where that is asked for. */
  Rpc.make("Count", {
    payload: { to: Schema.Finite, failing: Schema.Boolean },
    success: Schema.Finite,
    error: TooLarge,
    stream: true
  }),
  /** Says in the file when it begins and when it is interrupted, and never ends by itself. */
  Rpc.make("Hold", { payload: { path: Schema.String } }),
  /** Numbers without an end; the file has so many bytes as it has numbers. */
  Rpc.make("Endless", { payload: { path: Schema.String }, success: Schema.Finite, stream: true })
) {}
