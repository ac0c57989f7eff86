/** What processes say by systemd's notify protocol, in trees that run. */
import { spawnSync } from "node:child_process"
import { describe, expect, it } from "@effect/vitest"
import { Command, Nursery } from "@nursery/process"
import { Child, Liveness, Ready, Supervisor } from "@nursery/supervisor"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"

/** A service as others write them: it knows nothing of us but NOTIFY_SOCKET. */
const script = `
use Socket;
$| = 1;
sub say_it {
  my $name = $ENV{NOTIFY_SOCKET};
  $name =~ s/^@/\\0/;
  socket(my $socket, PF_UNIX, SOCK_DGRAM, 0) or die "socket: $!";
  send($socket, $_[0], 0, pack_sockaddr_un($name)) or die "send: $!";
}
`
const hasPerl = spawnSync("perl", ["-MSocket", "-e", "1"]).status === 0
const service = (body: string) => Command.make("perl", ["-e", script + body])

describe.skipIf(!hasPerl)(`a child that knows the notify protocol${hasPerl ? "" : " (perl is missing)"}`, () => {
  it.live("is ready when it says so, and tells how it is", () =>
    Effect.gen(function* () {
      const api = Child.process(
        "api",
        service(`say_it("STATUS=warming up\\nMAINPID=4711"); say_it("READY=1\\nSTATUS=serving"); sleep 600`),
        {
          ready: Ready.notify
        }
      )
      const running = yield* Supervisor.start(Supervisor.make("app", [api]))
      const { children } = yield* running.snapshot
      expect(children).toMatchObject([{ name: "api", status: "ready", says: "serving", mainPid: 4711 }])
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("reads its configuration anew when it is asked to, which it acknowledges", () =>
    Effect.gen(function* () {
      const body = `
$SIG{HUP} = sub { say_it("RELOADING=1\\nSTATUS=reading"); say_it("READY=1\\nSTATUS=read") };
say_it("READY=1\\nSTATUS=first");
sleep 600 while 1`
      const api = Child.process("api", service(body), { ready: Ready.notify, reload: "notify" })
      const running = yield* Supervisor.start(Supervisor.make("app", [api]))
      const reloading = yield* Effect.forkScoped(
        running.events.pipe(
          Stream.filter(({ _tag }) => _tag === "Reloading"),
          Stream.runHead
        )
      )
      yield* running.child("api").reload
      expect((yield* running.snapshot).children).toMatchObject([{ status: "ready", says: "read", incarnation: 1 }])
      expect(yield* Fiber.join(reloading)).toMatchObject({ _tag: "Some", value: { child: "api" } })
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("fails the request when it ends instead", () =>
    Effect.gen(function* () {
      const body = `$SIG{HUP} = sub { exit 3 }; say_it("READY=1"); sleep 600 while 1`
      const api = Child.process("api", service(body), { ready: Ready.notify, reload: "notify" })
      const running = yield* Supervisor.start(Supervisor.make("app", [api]))
      const error = yield* Effect.flip(running.child("api").reload)
      expect(error).toMatchObject({ _tag: "ReloadFailed", child: "api" })
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("is restarted when its watchdog hears nothing any more", () =>
    Effect.gen(function* () {
      const body = `say_it("READY=1"); say_it("WATCHDOG=1"); kill "STOP", $$; sleep 600 while 1`
      const api = Child.process("api", service(body), {
        ready: Ready.notify,
        liveness: Liveness.watchdog("200 millis"),
        stop: { grace: "100 millis" }
      })
      const running = yield* Supervisor.start(Supervisor.make("app", [api]))
      const exited = yield* running.events.pipe(
        Stream.filter((event) => event._tag === "Exited"),
        Stream.runHead
      )
      expect(exited).toMatchObject({
        _tag: "Some",
        value: { child: "api", exit: { _tag: "Failed", error: { _tag: "Unresponsive", check: "watchdog" } } }
      })
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )
})
