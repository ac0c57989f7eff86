/**
 * One combinator for each option of a command. Public as functions of `Command.ts`.
 *
 * @internal
 */
import { dual } from "effect/Function"
import type { Command } from "../../Command.ts"
import type * as Fd from "../../Fd.ts"
import type { Namespace } from "../../Namespace.ts"
import type * as Stdio from "../../Stdio.ts"
import type { Credentials } from "./credentials.ts"
import type { Limits } from "./limits.ts"
import type { Activation, Containment, Env, Session, StopOptions } from "./options.ts"
import type { Priority } from "./priority.ts"
import type { Sandbox } from "./sandbox.ts"
import { make } from "./value.ts"

/** A combinator that leaves the streams of the command as they are. */
interface Setter<A> {
  (value: A): <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>) => Command<In, Out, Err, Fds>
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, value: A): Command<In, Out, Err, Fds>
}

/** A combinator for what lives in this program: the command is not plain any more. */
interface HeldSetter<A> {
  <const Given extends A>(
    value: Given
  ): <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>) => Command<In, Out, Err, Stdio.WithHeld<Fds, Given>>
  <In, Out, Err, Fds, const Given extends A>(
    self: Command<In, Out, Err, Fds>,
    value: Given
  ): Command<In, Out, Err, Stdio.WithHeld<Fds, Given>>
}

/**
 * Sets what stdin is connected to, and with it whether the process has a `stdin`.
 *
 * **Example** (Feeding a command)
 *
 * ```ts
 * import { Command } from "@nursery/process"
 * import * as Stream from "effect/Stream"
 *
 * const sorted = Command.make`sort -u`.pipe(
 *   Command.stdin(Stream.make("b\n", "a\n").pipe(Stream.encodeText)),
 *   Command.stdout("pipe")
 * )
 * ```
 */
export const stdin: {
  <const In extends Stdio.Input>(
    stdin: In
  ): <X, Out, Err, Fds>(self: Command<X, Out, Err, Fds>) => Command<In, Out, Err, Fds>
  <X, Out, Err, Fds, const In extends Stdio.Input>(
    self: Command<X, Out, Err, Fds>,
    stdin: In
  ): Command<In, Out, Err, Fds>
} = dual(2, <X, In, Out, Err, Fds>(self: Command<X, Out, Err, Fds>, stdin: In) => make({ ...self, stdin }))

/**
 * Sets what stdout is connected to, and with it whether the process has a `stdout`.
 */
export const stdout: {
  <const Out extends Stdio.Output>(
    stdout: Out
  ): <In, X, Err, Fds>(self: Command<In, X, Err, Fds>) => Command<In, Out, Err, Fds>
  <In, X, Err, Fds, const Out extends Stdio.Output>(
    self: Command<In, X, Err, Fds>,
    stdout: Out
  ): Command<In, Out, Err, Fds>
} = dual(2, <X, In, Out, Err, Fds>(self: Command<In, X, Err, Fds>, stdout: Out) => make({ ...self, stdout }))

/**
 * Sets what stderr is connected to, and with it whether the process has a `stderr`.
 */
export const stderr: {
  <const Err extends Stdio.Output>(
    stderr: Err
  ): <In, Out, X, Fds>(self: Command<In, Out, X, Fds>) => Command<In, Out, Err, Fds>
  <In, Out, X, Fds, const Err extends Stdio.Output>(
    self: Command<In, Out, X, Fds>,
    stderr: Err
  ): Command<In, Out, Err, Fds>
} = dual(2, <X, In, Out, Err, Fds>(self: Command<In, Out, X, Fds>, stderr: Err) => make({ ...self, stderr }))

/**
 * Adds descriptors, by number from 3 on, to those that the command has; one of the same number is replaced.
 *
 * **Example** (A status descriptor)
 *
 * ```ts
 * import { Command } from "@nursery/process"
 *
 * // gpg writes machine-readable lines to descriptor 3, and reads the passphrase from 4.
 * const sign = Command.make`gpg --status-fd 3 --passphrase-fd 4 --sign file`.pipe(
 *   Command.fds({ 3: "pipe", 4: "pipe-in" })
 * )
 * ```
 */
export const fds: {
  <const Added extends Stdio.Descriptors>(
    fds: Added & Stdio.CheckDescriptors<Added>
  ): <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>) => Command<In, Out, Err, Stdio.MergeDescriptors<Fds, Added>>
  <In, Out, Err, Fds, const Added extends Stdio.Descriptors>(
    self: Command<In, Out, Err, Fds>,
    fds: Added & Stdio.CheckDescriptors<Added>
  ): Command<In, Out, Err, Stdio.MergeDescriptors<Fds, Added>>
} = dual(2, <In, Out, Err, Fds, Added extends Stdio.Descriptors>(self: Command<In, Out, Err, Fds>, fds: Added) =>
  make({ ...self, fds: { ...self.fds, ...fds } })
)

/**
 * Sets the working directory. A program given by a relative path is looked up from here.
 */
export const cwd: Setter<string> = dual(2, <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, cwd: string) =>
  make({ ...self, cwd })
)

/**
 * Changes the environment further: a value sets a variable, `undefined` removes it, variables not named here stay as they were
 * said before.
 *
 * **Example** (Setting one variable and removing another)
 *
 * ```ts
 * import { Command } from "@nursery/process"
 *
 * const build = Command.make`npm run build`.pipe(Command.env({ NODE_ENV: "production", NODE_OPTIONS: undefined }))
 * ```
 */
export const env: Setter<Env> = dual(2, <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, env: Env) =>
  make({ ...self, env: { ...self.env, ...env } })
)

/**
 * Sets whether the process starts with an empty environment instead of that of this program. It then has no `PATH` either, unless
 * `env` sets one.
 */
export const clearEnv: Setter<boolean> = dual(
  2,
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, clearEnv: boolean) => make({ ...self, clearEnv })
)

/**
 * Sets whether the program is a script: for `/bin/sh` (`true`), for the shell at a path, or not at all (`false`).
 */
export const shell: Setter<boolean | string> = dual(
  2,
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, shell: boolean | string) => make({ ...self, shell })
)

/**
 * Sets how the process is ended when its scope closes. What is not named here stays as it was said before.
 */
export const stop: Setter<StopOptions> = dual(
  2,
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, stop: StopOptions) =>
    make({ ...self, stop: { ...self.stop, ...stop } })
)

/**
 * Sets which exit codes are a success, from 0 to 255. They replace those said before.
 */
export const successCodes: Setter<ReadonlyArray<number>> = dual(
  2,
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, successCodes: ReadonlyArray<number>) =>
    make({ ...self, successCodes })
)

/**
 * Sets what is ended with the process.
 */
export const containment: Setter<Containment> = dual(
  2,
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, containment: Containment) => make({ ...self, containment })
)

/**
 * Sets the file mode creation mask (`umask(2)`), from 0 to 0o777.
 */
export const umask: Setter<number> = dual(2, <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, umask: number) =>
  make({ ...self, umask })
)

/**
 * Sets the session and process group of the process.
 */
export const session: Setter<Session> = dual(
  2,
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, session: Session) => make({ ...self, session })
)

/**
 * Sets whether the terminal that is its stdin becomes its controlling terminal.
 */
export const controllingTerminal: Setter<boolean | undefined> = dual(
  2,
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, controllingTerminal: boolean | undefined) =>
    make({ ...self, controllingTerminal })
)

/**
 * Sets whether the process takes over the terminal of this program.
 *
 * **Example** (An editor, and then this program goes on)
 *
 * ```ts
 * import { Command, Process } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 *
 * const edit = (file: string) =>
 *   Effect.gen(function* () {
 *     const editor = Command.make("vi", [file], { stdin: "inherit" }).pipe(Command.foreground(true))
 *     const { success } = yield* Process.spawn(editor)
 *     yield* success
 *   }).pipe(Effect.scoped)
 * ```
 */
export const foreground: Setter<boolean> = dual(
  2,
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, foreground: boolean) => make({ ...self, foreground })
)

/**
 * Sets whether the process can tell how it is by sd_notify(3); what it tells is in `process.notifications`.
 *
 * **Example** (Waiting until a service is ready)
 *
 * ```ts
 * import { Command, Nursery, Process } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 *
 * const ready = Effect.gen(function*() {
 *   const service = yield* Process.spawn(Command.make("my-service").pipe(Command.notify(true)))
 *   yield* service.notifications.pipe(
 *     Stream.filter(({ fields, sender }) => sender === "member" && fields["READY"] === "1"),
 *     Stream.take(1),
 *     Stream.runDrain
 *   )
 *   return service
 * })
 *
 * export const program = ready.pipe(Effect.scoped, Effect.provide(Nursery.layer))
 * ```
 */
export const notify: Setter<boolean> = dual(2, <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, notify: boolean) =>
  make({ ...self, notify })
)

/**
 * Adds resource limits to those that were said before; one of the same name is replaced.
 *
 * **Example** (A compiler that may not take the whole machine)
 *
 * ```ts
 * import { Command } from "@nursery/process"
 *
 * const build = Command.make`make -j4`.pipe(
 *   Command.limits({ as: "4 GiB", cpu: "10 minutes", core: 0, nofile: { soft: 1024 } })
 * )
 * ```
 */
export const limits: Setter<Limits> = dual(2, <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, limits: Limits) =>
  make({ ...self, limits: { ...self.limits, ...limits } })
)

/**
 * Sets user, groups and privileges. What is not named here stays as it was said before.
 *
 * **Example** (A server that gives up root, but for its port)
 *
 * ```ts
 * import { Command } from "@nursery/process"
 *
 * const server = Command.make("my-server", ["--port", "80"]).pipe(
 *   Command.credentials({
 *     user: "www-data",
 *     capabilities: { keep: ["CAP_NET_BIND_SERVICE"] },
 *     noNewPrivileges: true,
 *     loginEnvironment: true
 *   })
 * )
 * ```
 */
export const credentials: Setter<Credentials> = dual(
  2,
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, credentials: Credentials) =>
    make({ ...self, credentials: { ...self.credentials, ...credentials } })
)

/**
 * Sets niceness, scheduling policy and I/O priority, or the niceness alone. They replace those said before.
 *
 * **Example** (Work that nobody waits for)
 *
 * ```ts
 * import { Command } from "@nursery/process"
 *
 * const backup = Command.make`tar -cf /backup/home.tar /home`.pipe(
 *   Command.priority({ nice: 19, policy: "batch", io: "idle" })
 * )
 * ```
 */
export const priority: Setter<Priority | number> = dual(
  2,
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, priority: Priority | number) => make({ ...self, priority })
)

/**
 * Sets the processors that the process may run on.
 */
export const affinity: Setter<ReadonlyArray<number>> = dual(
  2,
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, affinity: ReadonlyArray<number>) => make({ ...self, affinity })
)

/**
 * Sets how soon the out-of-memory killer takes the process, from -1000 (never) to 1000 (first).
 */
export const oomScoreAdjust: Setter<number> = dual(
  2,
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, oomScoreAdjust: number) => make({ ...self, oomScoreAdjust })
)

/**
 * Sets what the process and its descendants may reach. It replaces what was said before.
 *
 * **Example** (A converter that reads one folder and writes another)
 *
 * ```ts
 * import { Command } from "@nursery/process"
 *
 * const convert = Command.make`convert /srv/in/photo.png /srv/out/photo.webp`.pipe(
 *   Command.sandbox({ read: ["/srv/in", "/etc"], write: ["/srv/out"], execute: [], connect: [], bind: [] })
 * )
 * ```
 */
export const sandbox: Setter<Sandbox> = dual(
  2,
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, sandbox: Sandbox) => make({ ...self, sandbox })
)

/**
 * Sets a filter of system calls (`seccomp(2)`), as bytes of `struct sock_filter`.
 *
 * **Example** (A filter that another program has made)
 *
 * ```ts
 * import { Command } from "@nursery/process"
 *
 * // LD, JEQ, RET: whatever makes a program of seccomp(2). This one allows everything.
 * const filter = new Uint8Array([0x06, 0, 0, 0, 0, 0, 0xff, 0x7f])
 *
 * const filtered = Command.make("true").pipe(Command.seccomp(filter))
 * ```
 */
export const seccomp: Setter<Uint8Array> = dual(
  2,
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, seccomp: Uint8Array) => make({ ...self, seccomp })
)

/**
 * Sets the descriptors that a program which knows socket activation takes over (sd_listen_fds(3)), by their names.
 *
 * **Example** (A server whose restart refuses nobody)
 *
 * ```ts
 * import { Command, Fd, Process } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function* () {
 *   const http = yield* Fd.listen({ tcp: { host: "0.0.0.0", port: 8080 } })
 *   const server = Command.make("my-server").pipe(Command.activation({ http }))
 *   yield* Process.spawn(server)
 * })
 * ```
 */
export const activation: HeldSetter<Activation> = dual(
  2,
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, activation: Activation) => make({ ...self, activation })
)

/**
 * Sets where the process may leave descriptors for those that come after it. See `Fd.store`.
 */
export const fdStore: HeldSetter<Fd.Store> = dual(
  2,
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, fdStore: Fd.Store) => make({ ...self, fdStore })
)

/**
 * Sets the namespaces that the process is started in; `undefined` for those of this program.
 */
export const namespaces: HeldSetter<Namespace | undefined> = dual(
  2,
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, namespaces: Namespace | undefined) =>
    make({ ...self, namespaces })
)
