//! express
