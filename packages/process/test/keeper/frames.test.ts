import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import * as F from "../../src/internal/keeper/frames.ts"

const source = readFileSync(join(import.meta.dirname, "../../../keeper/src/protocol.h"), "utf8")
const header = source.replace(/\/\*[\s\S]*?\*\//g, "")

/** `max_resident`, `maxResident` and `max-resident` are one name; C adds an underscore to `errno`. */
const plain = (name: string): string => name.replace(/[-_]/g, "").toLowerCase()

const number = (text: string): number => Number(text.replace(/u$/, ""))

const enumsOfHeader = new Map(
  Array.from(header.matchAll(/enum (\w+) \{([^}]*)\}/g), ([, name = "", body = ""]) => [
    name,
    body
      .split(",")
      .filter((entry) => entry.trim() !== "")
      .map((entry) => {
        const [, constant = "", value = ""] = /^\s*(\w+)\s*=\s*(\w+)\s*$/.exec(entry) ?? []
        return [constant, number(value)] as const
      })
  ])
)

const widths: Record<string, number> = { uint8_t: 1, uint16_t: 2, uint32_t: 4, int32_t: 4, uint64_t: 8 }

const structsOfHeader = new Map<string, { readonly size: number; readonly offsets: ReadonlyMap<string, number> }>()
for (const [, name = "", body = ""] of header.matchAll(/struct (\w+) \{([^}]*)\} __attribute__\(\(packed\)\);/g)) {
  const offsets = new Map<string, number>()
  let size = 0
  for (const [, type = "", nested = "", field = ""] of body.matchAll(/^\s*(?:(\w+_t)|struct (\w+)) (\w+);\s*$/gm)) {
    offsets.set(plain(field), size)
    const width = type === "" ? structsOfHeader.get(nested)?.size : widths[type]
    if (width === undefined) throw new Error(`a field of unknown type: ${name}.${field}`)
    size += width
  }
  // So that no declaration is passed over by the expression above.
  if (offsets.size !== body.split(";").length - 1) throw new Error(`struct ${name} was not understood`)
  structsOfHeader.set(name, { size, offsets })
}

const enums: Record<string, { readonly prefix: string; readonly values: Readonly<Record<string, number>> }> = {
  request_type: { prefix: "REQUEST_", values: F.Request },
  reply_type: { prefix: "REPLY_", values: F.Reply },
  feature: { prefix: "FEATURE_", values: F.Feature },
  stop_reach: { prefix: "REACH_", values: F.Reach },
  spawn_level: { prefix: "LEVEL_", values: F.Level },
  spawn_session: { prefix: "SESSION_", values: F.Session },
  spawn_flag: { prefix: "SPAWN_", values: F.SpawnFlag },
  fd_kind: { prefix: "FD_", values: F.FdKind },
  fd_file: { prefix: "FILE_", values: F.FdFile },
  spawn_step: { prefix: "STEP_", values: F.SpawnStep },
  object_kind: { prefix: "OBJECT_", values: F.ObjectKind },
  object_end: { prefix: "END_", values: F.ObjectEnd },
  object_step: { prefix: "AT_", values: F.ObjectStep },
  socket_type: { prefix: "TYPE_", values: F.SocketType },
  open_flag: { prefix: "OPEN_", values: F.OpenFlag },
  address_family: { prefix: "ADDRESS_", values: F.AddressFamily },
  pty_flag: { prefix: "PTY_", values: F.PtyFlag },
  listen_flag: { prefix: "LISTEN_", values: F.ListenFlag },
  containment_part: { prefix: "CONTAINMENT_", values: F.ContainmentPart },
  namespace_flag: { prefix: "NAMESPACE_", values: F.NamespaceFlag },
  mount_kind: { prefix: "MOUNT_", values: F.MountKind },
  setup_kind: { prefix: "SETUP_", values: F.SetupKind },
  capability_mode: { prefix: "CAPABILITIES_", values: F.CapabilityMode },
  notify_sender: { prefix: "SENDER_", values: F.NotifySender }
}

const structs: Record<string, F.Layout<string>> = {
  frame_header: F.FrameHeader,
  hello: F.Hello,
  ready: F.Ready,
  stop_policy: F.StopPolicy,
  signal_request: F.SignalRequest,
  spawn: F.Spawn,
  spawn_fd: F.SpawnFd,
  object_request: F.ObjectRequest,
  object_pipe: F.ObjectPipe,
  object_socketpair: F.ObjectSocketpair,
  object_file: F.ObjectFile,
  object_memory: F.ObjectMemory,
  object_listen: F.ObjectListen,
  object_pty: F.ObjectPty,
  resize: F.Resize,
  object_told: F.ObjectTold,
  object_ends: F.ObjectEnds,
  setup: F.Setup,
  setup_limit: F.SetupLimit,
  setup_number: F.SetupNumber,
  setup_scheduler: F.SetupScheduler,
  setup_credentials: F.SetupCredentials,
  setup_capabilities: F.SetupCapabilities,
  setup_sandbox: F.SetupSandbox,
  setup_sandbox_path: F.SetupSandboxPath,
  setup_sandbox_port: F.SetupSandboxPort,
  clock_offset: F.ClockOffset,
  setup_namespaces: F.SetupNamespaces,
  setup_mount: F.SetupMount,
  setup_enter: F.SetupEnter,
  setup_enter_path: F.SetupEnterPath,
  setup_veth: F.SetupVeth,
  internet_address: F.InternetAddress,
  setup_address: F.SetupAddress,
  setup_route: F.SetupRoute,
  setup_terminal: F.SetupTerminal,
  started: F.Started,
  lent_fd: F.LentFd,
  failed: F.Failed,
  exited: F.Exited,
  ended: F.Ended,
  notify: F.Notify,
  cgroup_told: F.CgroupTold
}

describe("frames.ts says what protocol.h says", () => {
  it("has every enum and every struct of the header, and no other", () => {
    expect(Object.keys(enums).sort()).toEqual([...enumsOfHeader.keys()].sort())
    expect(Object.keys(structs).sort()).toEqual([...structsOfHeader.keys()].sort())
  })

  it.each(Object.entries(enums))("enum %s", (name, { prefix, values }) => {
    const expected = (enumsOfHeader.get(name) ?? []).map(([constant, value]) => {
      expect(constant.startsWith(prefix)).toBe(true)
      return [plain(constant.slice(prefix.length)), value] as const
    })
    expect(expected.length).toBeGreaterThan(0)
    expect(new Map(Object.entries(values).map(([key, value]) => [plain(key), value]))).toEqual(new Map(expected))
  })

  it.each(Object.entries(structs))("struct %s", (name, layout) => {
    const expected = structsOfHeader.get(name)
    expect(layout.size).toBe(expected?.size)
    expect(new Map(Object.entries(layout.at).map(([field, offset]) => [plain(field), offset]))).toEqual(
      expected?.offsets
    )
  })

  it.each([
    ["PROTOCOL_MAGIC", F.MAGIC],
    ["PROTOCOL_VERSION", F.VERSION],
    ["NO_DEADLINE", F.NO_DEADLINE],
    ["NOTIFY_MAX", F.NOTIFY_MAX],
    ["SETUP_MAX", F.SETUP_MAX],
    ["UNCHANGED", F.UNCHANGED],
    ["ID_KEEP", F.ID_KEEP],
    ["LANDLOCK_SHIFT", F.LANDLOCK_SHIFT],
    ["FILTER_INSTRUCTION", F.FILTER_INSTRUCTION],
    ["FILTER_MAX", F.FILTER_MAX],
    ["STORED_FIRST", F.STORED_FIRST],
    ["LISTEN_PID_ROOM", F.LISTEN_PID_ROOM],
    ["CGROUP_PATH_MAX", F.CGROUP_PATH_MAX]
  ])("%s", (name, value) => {
    expect(number(new RegExp(`#define ${name} (\\w+)`).exec(header)?.[1] ?? "")).toBe(value)
  })

  it("FRAME_MAX, UMASK_OF_OWNER and the size of the secret", () => {
    const [, base = "", shift = ""] = /#define FRAME_MAX \((\d+)u << (\d+)\)/.exec(header) ?? []
    expect(Number(base) << Number(shift)).toBe(F.FRAME_MAX)
    expect(header).toContain(`#define UMASK_OF_OWNER (${F.UMASK_OF_OWNER})`)
    expect(source).toMatch(new RegExp(`REPLY_LISTENING = 73,?\\s+/\\* ${F.SECRET_SIZE} bytes of secret`))
  })
})
