//! The wire between client, scheduler and workers: generated messages and typed conversions.
