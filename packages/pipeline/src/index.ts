/**
 * Typed pipelines of processes: joined by the kernel, with the truth about which stage failed.
 */
export * as Codec from "./Codec.ts"
export * from "./CodecError.ts"
export * as Pipeline from "./Pipeline.ts"
export * from "./PipelineError.ts"
export type * from "./Report.ts"
export * as Worker from "./Worker.ts"
export * as WorkerPool from "./WorkerPool.ts"
export * from "./WorkerPoolError.ts"
