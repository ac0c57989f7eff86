/** execa, imported. */
import { execa } from "execa"

process.stdout.write(`ready ${typeof execa}\n`)
