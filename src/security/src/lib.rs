//! TLS set-up, access lists, tokens, signatures.
