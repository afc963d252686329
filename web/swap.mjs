// Puts the new build in the place of the old one: whoever builds the program meanwhile finds the one or the other, never half of it.

import { existsSync, renameSync, rmSync } from 'node:fs'

rmSync('dist.old', { recursive: true, force: true })
if (existsSync('dist')) renameSync('dist', 'dist.old')
renameSync('dist.new', 'dist')
rmSync('dist.old', { recursive: true, force: true })
