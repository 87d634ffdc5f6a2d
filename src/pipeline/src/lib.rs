//! Processors, conditions and templates, compiled and run on batches.
