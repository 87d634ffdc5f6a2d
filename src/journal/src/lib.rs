//! Durable segments, cursors and spools of bytes.
