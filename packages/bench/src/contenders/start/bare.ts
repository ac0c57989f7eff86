/** Node itself. */
process.stdout.write("ready\n")
