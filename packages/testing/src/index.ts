/**
 * Simulated processes in virtual time, and faults for real ones.
 */
export {}
