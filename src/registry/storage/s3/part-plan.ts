const MIB = 1024 * 1024;

/** How large each part of a multipart upload is, bytes, by its number from 1 on. */
export type PartPlan = (number: number) => number;

/**
 * Parts of 5 MiB (S3 takes no smaller ones) up to 24 GiB, and of 1 GiB beyond: with S3's limit of 10,000 parts, that makes
 * 4.9 TiB, of the 5 TiB that an object may have. A part that does not fit into memory is gathered in the bucket first.
 */
export const usualPlan: PartPlan = (number) => (number <= 5_000 ? 5 * MIB : 1024 * MIB);

/** Bytes of a part that are gathered in memory. */
export const GATHER = 5 * MIB;
/** S3's own. */
export const MOST_PARTS = 10_000;
