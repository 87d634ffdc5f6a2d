//! What everything passes on: batches, budget, claims, events, values.
