/**
 * Runs `limits.ts` in a virtual machine whose kernel has all controllers in cgroup v2, which a test machine may not have. By hand:
 *
 *     apt install qemu-system-x86 musl-tools
 *     apt download linux-image-6.1.0-56-cloud-amd64 && dpkg -x linux-image-*.deb kernel
 *     node packages/process/test/vm/run.ts kernel/boot/vmlinuz-*
 *
 * Any Linux kernel will do that has a serial console and cgroup v2 built in. Everything that the machine needs is in its first file system,
 * which is made from this checkout: Node with its libraries, this package with what it depends on, and a shell.
 */
import { execFileSync, spawn } from "node:child_process"
import {
  closeSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

const here = import.meta.dirname
const root = join(here, "../../../..")
const kernel = process.argv[2]
if (kernel === undefined) throw new Error("which kernel? node run.ts VMLINUZ")

const folder = mkdtempSync(join(tmpdir(), "nursery-vm-"))
const image = join(folder, "initramfs")
const out = openSync(image, "w")
const written = new Set<string>()

/** An entry of a cpio archive in the format that the kernel unpacks. */
const entry = (
  path: string,
  mode: number,
  content: Buffer = Buffer.alloc(0),
  device: readonly [number, number] = [0, 0]
): void => {
  const name = Buffer.from(`${path.slice(1)}\0`)
  const fields = [written.size + 1, mode, 0, 0, 1, 0, content.length, 0, 0, ...device, name.length, 0]
  const head = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`
  const padded = (bytes: Buffer, before = 0): Buffer =>
    Buffer.concat([bytes, Buffer.alloc((4 - ((before + bytes.length) % 4)) % 4)])
  writeSync(out, padded(Buffer.concat([Buffer.from(head), name])))
  writeSync(out, padded(content))
  written.add(path)
}

const folders = (path: string): void => {
  if (path === "/" || written.has(path)) return
  folders(dirname(path))
  entry(path, 0o040755)
}

/** A file, a link or a whole folder of this machine, at the same place. */
const add = (path: string, wanted: (path: string) => boolean = () => true): void => {
  if (written.has(path) || !wanted(path)) return
  const about = lstatSync(path)
  folders(dirname(path))
  if (about.isSymbolicLink()) {
    entry(path, 0o120777, Buffer.from(readlinkSync(path)))
    const real = realpathSync(path)
    if (!real.startsWith(root)) add(real)
  } else if (about.isDirectory()) {
    folders(path)
    for (const name of readdirSync(path)) add(join(path, name), wanted)
  } else {
    entry(path, 0o100000 | (about.mode & 0o777), readFileSync(path))
  }
}

/** A program with the libraries that it is linked with; links on the way to it count for their ends. */
const addProgram = (path: string): void => {
  const real = realpathSync(path)
  add(real)
  for (const [library] of execFileSync("ldd", [real], { encoding: "utf8" }).matchAll(/\/\S+/g)) {
    folders(dirname(library))
    if (!written.has(library)) entry(library, 0o100755, readFileSync(library))
  }
}

const init = join(folder, "init")
execFileSync("musl-gcc", ["-std=c11", "-O1", "-static", "-Wall", "-Wextra", "-o", init, join(here, "init.c")])
entry("/init", 0o100755, readFileSync(init))
for (const path of ["/proc", "/sys", "/dev", "/tmp", "/usr/bin", "/bin"]) folders(path)
entry("/dev/console", 0o020600, undefined, [5, 1])
addProgram(process.execPath)
addProgram("/bin/sh")
entry("/bin/sh", 0o100755, readFileSync(realpathSync("/bin/sh")))
const noTypes = (path: string): boolean => !/\.(d\.ts|d\.mts|map)$/.test(path) && !path.includes("/effect/src/")
for (const path of [
  "package.json",
  "packages/process/package.json",
  "packages/process/src",
  "packages/process/test/vm",
  "packages/keeper/package.json",
  "packages/keeper/src/index.ts",
  "packages/keeper/build.mjs",
  "packages/keeper/bin"
]) {
  add(join(root, path))
}
add(join(root, "packages/process/node_modules"))
const effect = realpathSync(join(root, "packages/process/node_modules/effect"))
add(dirname(effect), noTypes)
const store = join(root, "node_modules/.pnpm")
for (const name of readdirSync(dirname(effect))) {
  const real = realpathSync(join(dirname(effect), name))
  if (real.startsWith(store)) add(dirname(real), noTypes)
}
entry("/program", 0o100644, Buffer.from(`${realpathSync(process.execPath)}\n${join(here, "limits.ts")}\n`))
entry("/TRAILER!!!".replace("/", "/"), 0)
closeSync(out)

const machine = spawn(
  "qemu-system-x86_64",
  [
    "-accel",
    "tcg,thread=single",
    "-cpu",
    "max",
    "-m",
    "2048",
    "-smp",
    "2",
    "-nographic",
    "-nic",
    "none",
    "-no-reboot",
    "-kernel",
    kernel,
    "-initrd",
    image,
    "-append",
    "console=ttyS0 quiet panic=-1 psi=1 no_timer_check"
  ],
  { stdio: ["ignore", "pipe", "inherit"] }
)
let text = ""
machine.stdout.on("data", (chunk: Buffer) => {
  text += chunk.toString()
  process.stdout.write(chunk)
})
machine.once("close", () => {
  rmSync(folder, { recursive: true, force: true })
  const statuses = Array.from(text.matchAll(/^status (\w+) (\d+)/gm), ([, name, status]) => `${name} ${status}`)
  console.log(statuses.join(", "))
  process.exitCode = statuses.join() === "service 0,user 0,top 0" ? 0 : 1
})
